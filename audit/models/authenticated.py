"""The base class of models whose rows have a MAC, so that SQL alone cannot change them.

Writing verifies the stored row first. Otherwise, the next change by the console would give an
altered row a valid MAC.

See: D-170
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar, Self, TypeVar

from django.apps import apps
from django.db import models, transaction
from django.db.models.expressions import Combinable, Expression
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.rows import macs
from faults import Refused

M = TypeVar("M", bound="AuthenticatedModel")
ROW_MAC = "row_mac"


class RowAltered(Refused):
    """A row was written or changed in the database, and not by ZCC."""

    action = gettext_lazy(
        "Treat it as an attack. Run manage.py check_rows on a Primary Server: it lists the rows, "
        "and says what to do."
    )


class AuthenticatedQuerySet(models.QuerySet[M]):
    """Queries whose updates keep the MACs of rows valid."""

    def update(self, **changes: Any) -> int:
        """Update rows. If authenticated fields change, each row is locked and verified first."""
        authenticated = set(self.model.authenticated_fields)
        changed = {self.model.get_field_name(name) for name in changes}
        if not changed & authenticated or ROW_MAC in changes:
            return super().update(**changes)
        with transaction.atomic():
            rows = list(self.select_for_update(of=("self",)))
            for row in rows:
                row.check_row_mac()
            if any(isinstance(value, Expression | Combinable) for value in changes.values()):
                return self._update_with_expressions(rows, changes)
            return sum(self._update_row(row, changes) for row in rows)

    def _update_row(self, row: M, changes: dict[str, Any]) -> int:
        for name, value in changes.items():
            field: Any = self.model._meta.get_field(name)
            # An update accepts the key of a related row, too.
            is_key = field.is_relation and not isinstance(value, models.Model)
            setattr(row, field.attname if is_key else field.name, value)
        # The conditions of this query are still checked, so that a state changes only once.
        one = self.filter(pk=row.pk)
        return models.QuerySet.update(one, **changes, row_mac=row.compute_row_mac())

    def _update_with_expressions(self, rows: list[M], changes: dict[str, Any]) -> int:
        keys = [row.pk for row in rows]
        count = models.QuerySet.update(self.filter(pk__in=keys), **changes)
        for row in list_rows(self.model).filter(pk__in=keys):
            list_rows(self.model).filter(pk=row.pk).update(row_mac=row.compute_row_mac())
        return count

    def bulk_create(self, objs: Iterable[M], *args: Any, **options: Any) -> list[M]:
        """Create rows with their MACs."""
        rows = list(objs)
        for row in rows:
            row.row_mac = row.compute_row_mac()
        return super().bulk_create(rows, *args, **options)

    def authentic(self) -> list[M]:
        """Return the rows whose MACs are valid."""
        return [row for row in self if row.is_authentic()]


class AuthenticatedModel(models.Model):
    """A model whose rows have a MAC over the fields in `authenticated_fields`."""

    authenticated_fields: ClassVar[tuple[str, ...]] = ()
    row_mac = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)

    class Meta:
        abstract = True

    def save(self, *args: Any, update_fields: Collection[str] | None = None, **more: Any) -> None:
        """Save the row and its MAC. Raises RowAltered if the stored row was altered."""
        authenticated = set(self.authenticated_fields)
        if update_fields is not None and not authenticated & set(update_fields):
            super().save(*args, update_fields=update_fields, **more)
            return
        stored = None
        if not self._state.adding:
            stored = list_rows(type(self)).filter(pk=self.pk).first()
        if stored is not None:
            stored.check_row_mac()
        if update_fields is None:
            self.row_mac = self.compute_row_mac()
        else:
            self.row_mac = self._compute_after(stored, update_fields)
            update_fields = {*update_fields, ROW_MAC}
        super().save(*args, update_fields=update_fields, **more)

    @classmethod
    def get_field_name(cls, name: str) -> str:
        """Return the name of the field that a keyword of an update changes."""
        return cls._meta.pk.name if name == "pk" else cls._meta.get_field(name).name

    def get_authenticated_values(self) -> dict[str, Any]:
        """Return the values that the MAC covers, as the database stores them."""
        values = {}
        for name in self.authenticated_fields:
            field: Any = self._meta.get_field(name)
            plain = field.target_field if field.is_relation else field
            values[name] = plain.to_python(getattr(self, field.attname))
        return values

    def compute_row_mac(self) -> str:
        """Return the MAC of the current values, or "" before the zone exists."""
        held = macs.get_key()
        if held is None:
            return ""
        return macs.compute(held.key, self._meta.label, self.get_authenticated_values())

    def is_authentic(self) -> bool:
        """Return True if the row was written by ZCC. Use it on a row that was just loaded."""
        return macs.is_valid(self.row_mac, self._meta.label, self.get_authenticated_values())

    def check_row_mac(self) -> Self:
        """Return the row, which must just have been loaded. Raises RowAltered."""
        if not self.is_authentic():
            raise RowAltered(
                _("The record of %(row)s was changed in the database. Nothing was done with it.")
                % {"row": str(self)}
            )
        return self

    def _compute_after(self, stored: Self | None, update_fields: Collection[str]) -> str:
        """Return the MAC of the stored row after some of its fields are saved."""
        row = stored or self
        for name in update_fields:
            setattr(row, name, getattr(self, name))
        return row.compute_row_mac()


def list_rows(model: type[M]) -> models.QuerySet[M]:
    """Return all rows of a model. Updates of this query neither verify nor create MACs."""
    return models.QuerySet(model)


def list_authenticated_models() -> Sequence[type[AuthenticatedModel]]:
    """Return all models whose rows have a MAC."""
    return [model for model in apps.get_models() if issubclass(model, AuthenticatedModel)]
