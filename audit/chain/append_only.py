"""SQL that makes the audit log append-only in the database.

A trigger rejects every update and deletion of an entry. The owner of the database can remove the
trigger; `manage.py verify_audit` detects what was changed then.
"""

from __future__ import annotations

ERROR_MESSAGE = "the audit log is append-only"
ENTRIES, OBJECTS = "ledger_entry", "ledger_entryobject"


def _list_sqlite(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{ERROR_MESSAGE}'); END"
        for event in ("UPDATE", "DELETE")
    ]


def _list_postgresql_triggers(table: str) -> list[str]:
    return [
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION ledger_entry_refuse()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_entry_refuse()",
    ]


_POSTGRESQL = [
    "CREATE FUNCTION ledger_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{ERROR_MESSAGE}' USING ERRCODE = 'integrity_constraint_violation'; "
    "END $$",
    *_list_postgresql_triggers(ENTRIES),
]
_INSTALL = {"sqlite": _list_sqlite(ENTRIES), "postgresql": _POSTGRESQL}
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


def object_install_statements(vendor: str) -> list[str]:
    """Return the SQL that protects the objects of entries, after `install_statements`."""
    install = {"sqlite": _list_sqlite, "postgresql": _list_postgresql_triggers}
    return install[vendor](OBJECTS) if vendor in install else []


def object_removal_statements(vendor: str) -> list[str]:
    """Return the SQL that removes the triggers of `object_install_statements`."""
    names = {"sqlite": ("update", "delete"), "postgresql": ("change", "truncate")}
    on = f" ON {OBJECTS}" if vendor == "postgresql" else ""
    return [f"DROP TRIGGER IF EXISTS {OBJECTS}_no_{name}{on}" for name in names.get(vendor, ())]


def removal_statements(vendor: str) -> list[str]:
    """Return the SQL that removes the triggers, to reverse the migration."""
    return _REMOVE.get(vendor, [])
