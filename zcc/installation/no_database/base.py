"""A Django database backend that says which setting is missing.

Commands that use no database, such as collectstatic, run without one.

See: https://docs.djangoproject.com/en/5.2/ref/settings/#engine
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.dummy import base


def reject(*_arguments: Any, **_options: Any) -> NoReturn:
    """Raise ImproperlyConfigured."""
    raise ImproperlyConfigured(
        "ZCC_DATABASE_URL is not set, and ZCC_HOME contains no demo zone. Nothing was changed. Set "
        "ZCC_DATABASE_URL or ZCC_DATABASE_URL_FILE. On a server with systemd, run zcc-manage "
        "instead of manage.py."
    )


class DatabaseOperations(base.DatabaseOperations):
    """Operations for building SQL."""

    quote_name = reject


class DatabaseIntrospection(base.DatabaseIntrospection):
    """Operations for reading the schema."""

    get_table_list = reject
    get_table_description = reject


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that cannot be opened."""

    ops_class = DatabaseOperations
    introspection_class = DatabaseIntrospection
    _cursor = reject
    ensure_connection = reject
    _commit = reject
