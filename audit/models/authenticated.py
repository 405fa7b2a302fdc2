"""The base class of models whose rows have a MAC, so that SQL alone cannot change them.

Writing verifies the stored row first. Otherwise, the next change by the console would give an
altered row a valid MAC.

See: D-170
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, Self, TypeVar

from django.apps import apps
from django.db import models, transaction
from django.db.models.base import ModelBase
from django.db.models.expressions import Combinable, Expression
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.rows import macs
from faults import Refused

M = TypeVar("M", bound=models.Model)
ROW_MAC = "row_mac"


class RowAltered(Refused):
    """A row was written or changed in the database, and not by ZCC."""

    action = gettext_lazy(
        "Treat it as an attack. Run manage.py check_rows on a Primary Server: it lists the rows, "
        "and says what to do."
    )


class AuthenticatedQuerySet(models.QuerySet[M]):
    """Queries whose updates keep the MACs of rows valid, if the model has MACs."""

    def update(self, **changes: Any) -> int:
        """Update rows. If authenticated fields change, each row is locked and verified first."""
        if ROW_MAC in changes or not _list_authenticated(self.model, changes):
            return super().update(**changes)
        with transaction.atomic():
            rows: list[Any] = list(self.select_for_update(of=("self",)))
            for row in rows:
                row.check_row_mac()
            if any(isinstance(value, Expression | Combinable) for value in changes.values()):
                return self._update_with_expressions(rows, changes)
            return sum(self._update_row(row, changes) for row in rows)

    def _update_row(self, row: Any, changes: dict[str, Any]) -> int:
        for name, value in changes.items():
            field: Any = self.model._meta.get_field(name)
            # An update accepts the key of a related row, too.
            is_key = field.is_relation and not isinstance(value, models.Model)
            setattr(row, field.attname if is_key else field.name, value)
        # The conditions of this query are still checked, so that a state changes only once.
        one = self.filter(pk=row.pk)
        return models.QuerySet.update(one, **changes, row_mac=row.compute_row_mac())

    def _update_with_expressions(self, rows: list[Any], changes: dict[str, Any]) -> int:
        keys = [row.pk for row in rows]
        count = models.QuerySet.update(self.filter(pk__in=keys), **changes)
        stored: list[Any] = list(list_rows(self.model).filter(pk__in=keys))
        for row in stored:
            list_rows(self.model).filter(pk=row.pk).update(row_mac=row.compute_row_mac())
        return count

    def bulk_create(self, objs: Iterable[M], *args: Any, **options: Any) -> list[M]:
        """Create rows with their MACs."""
        rows = list(objs)
        for row in rows:
            if isinstance(row, AuthenticatedModel):
                row.row_mac = row.compute_row_mac()
        return super().bulk_create(rows, *args, **options)


def _list_authenticated(model: type[models.Model], names: Iterable[str]) -> set[str]:
    """Return the authenticated fields that an update of these names changes."""
    authenticated = getattr(model, "authenticated_fields", ())
    return {model._meta.get_field(name).name for name in names} & set(authenticated)


class AuthenticatedModel(models.Model):
    """A model whose rows have a MAC over the fields in `authenticated_fields`."""

    authenticated_fields: ClassVar[tuple[str, ...]] = ()
    row_mac = models.CharField(max_length=64, blank=True, default="", db_default="", editable=False)

    class Meta:
        abstract = True

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save the row and its MAC. Raises RowAltered if the stored row was altered."""
        saved = None if update_fields is None else set(update_fields)
        if saved is not None and not saved & set(self.authenticated_fields):
            super().save(
                force_insert=force_insert,
                force_update=force_update,
                using=using,
                update_fields=saved,
            )
            return
        with _begin_transaction(using):
            stored = None if self._state.adding else self._lock_stored()
            if saved is None:
                self.row_mac = self.compute_row_mac()
            else:
                self.row_mac = self._compute_after(stored, saved)
                saved.add(ROW_MAC)
            super().save(
                force_insert=force_insert,
                force_update=force_update,
                using=using,
                update_fields=saved,
            )

    def _lock_stored(self) -> Self | None:
        """Return the verified stored row, or None. Raises RowAltered.

        The row is locked. Otherwise, the MAC would not cover a change of other fields that is
        stored at the same time, and the row would count as altered.
        """
        stored = list_rows(type(self)).select_for_update().filter(pk=self.pk).first()
        return None if stored is None else stored.check_row_mac()

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

    def has_mac(self) -> bool:
        """Return True if the row has a valid MAC, also while MACs are not required."""
        held = macs.get_key()
        return held is None or macs.is_made_with(
            held.key, self.row_mac, self._meta.label, self.get_authenticated_values()
        )

    def check_row_mac(self) -> Self:
        """Return the row, which must just have been loaded. Raises RowAltered."""
        if not self.is_authentic():
            raise RowAltered(
                _("The record of %(row)s was changed in the database. Nothing was done with it.")
                % {"row": str(self)}
            )
        return self

    def _compute_after(self, stored: Self | None, update_fields: set[str]) -> str:
        """Return the MAC of the stored row after some of its fields are saved."""
        row = stored or self
        for name in update_fields:
            setattr(row, name, getattr(self, name))
        return row.compute_row_mac()


def _begin_transaction(using: str | None) -> AbstractContextManager[object]:
    """Return a new transaction, unless there is one: a fault must not end one of the caller."""
    is_in_transaction = transaction.get_connection(using).in_atomic_block
    return nullcontext() if is_in_transaction else transaction.atomic(using=using)


def list_rows(model: type[M]) -> models.QuerySet[M]:
    """Return all rows of a model. Updates of this query neither verify nor create MACs."""
    return models.QuerySet(model)


def list_authenticated_models() -> Sequence[type[AuthenticatedModel]]:
    """Return all models whose rows have a MAC."""
    return [model for model in apps.get_models() if issubclass(model, AuthenticatedModel)]
