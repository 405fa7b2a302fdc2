"""What keeps the ledger append-only inside the database itself (S-44).

A trigger refuses every change and removal of an entry, whoever asks. It cannot stop the owner of
the database, who may drop it: what was done then, `manage.py verify_audit` finds.
"""

from __future__ import annotations

REFUSAL = "the ledger is append-only"

_SQLITE = [
    f"CREATE TRIGGER ledger_entry_no_{act.lower()} BEFORE {act} ON ledger_entry "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    for act in ("UPDATE", "DELETE")
]
_POSTGRESQL = [
    "CREATE FUNCTION ledger_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; "
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


def statements(vendor: str) -> list[str]:
    """Return the SQL that puts the guard into a database of this vendor."""
    return _INSTALL.get(vendor, [])


def removal(vendor: str) -> list[str]:
    """Return the SQL that takes the guard out again: to undo its migration."""
    return _REMOVE.get(vendor, [])
