"""SQL that makes the audit log append-only in the database.

A trigger rejects every update and deletion of an entry. The owner of the database can remove the
trigger; `manage.py verify_audit` detects what was changed then.
"""

from __future__ import annotations

ERROR_MESSAGE = "the audit log is append-only"

_SQLITE = [
    f"CREATE TRIGGER ledger_entry_no_{event.lower()} BEFORE {event} ON ledger_entry "
    f"BEGIN SELECT RAISE(ABORT, '{ERROR_MESSAGE}'); END"
    for event in ("UPDATE", "DELETE")
]
_POSTGRESQL = [
    "CREATE FUNCTION ledger_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{ERROR_MESSAGE}' USING ERRCODE = 'integrity_constraint_violation'; "
    "END $$",
    "CREATE TRIGGER ledger_entry_no_change BEFORE UPDATE OR DELETE ON ledger_entry "
    "FOR EACH ROW EXECUTE FUNCTION ledger_entry_refuse()",
    "CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry "
    "FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_refuse()",
]
_INSTALL = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
_REMOVE = {
    "sqlite": [
        "DROP TRIGGER IF EXISTS ledger_entry_no_update",
        "DROP TRIGGER IF EXISTS ledger_entry_no_delete",
    ],
    "postgresql": ["DROP FUNCTION IF EXISTS ledger_entry_refuse() CASCADE"],
}


def install_statements(vendor: str) -> list[str]:
    """Return the SQL that creates the triggers; [] for an unknown database vendor."""
    return _INSTALL.get(vendor, [])


def removal_statements(vendor: str) -> list[str]:
    """Return the SQL that removes the triggers, to reverse the migration."""
    return _REMOVE.get(vendor, [])
