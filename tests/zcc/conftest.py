"""What is about a database file alone is not collected on PostgreSQL."""

from tests.support import postgres

collect_ignore = ["test_database_file.py"] if postgres.wanted() else []
