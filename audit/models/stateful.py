"""The base class of all models that have a state."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar

from django.db import models, transaction
from django.utils.translation import gettext as _

from audit.chain.states import InvalidTransition, StateMachine
from audit.models.authenticated import AuthenticatedQuerySet
from audit.models.entries import Entry, EntryLimit

M = TypeVar("M", bound="StatefulModel")


class StatefulQuerySet(AuthenticatedQuerySet[M]):
    """The only code that changes a state. It keeps the MACs of rows that have one valid."""

    machine: ClassVar[StateMachine]

    def open(self) -> Self:
        """Return the rows that are not in a final state."""
        return self.exclude(state__in=self.machine.closed)

    @transaction.atomic
    def transition(
        self, instance: M, state: str, *, note: str = "", reported_by: object = None, **changes: Any
    ) -> None:
        """Change the state of an instance and other fields, and record an audit entry.

        `reported_by` is the ID of a device whose reports can cause the transition again and again:
        the number of its entries is limited. Raises InvalidTransition if the transition is not
        allowed or another caller was faster.
        """
        before = instance.state
        self.machine.check(before, state)
        label = instance._meta.label
        limit = (
            EntryLimit.of_device(reported_by, f"move:{label}") if reported_by is not None else None
        )
        checkpoint = Entry.objects.lock_for(limit)
        if not self.filter(pk=instance.pk, state=before).update(state=state, **changes):
            raise InvalidTransition(
                _("The state has changed in the meantime. Nothing was changed.")
            )
        Entry.objects.append_limited(
            checkpoint, limit, "move", f"{label}:{instance.pk}", here=before, there=state, note=note
        )
        instance.state = state
        for name, value in changes.items():
            setattr(instance, name, value)


class StatefulModel(models.Model):
    """A model with a state that only `objects.transition` changes."""

    state = models.CharField(max_length=24)

    class Meta:
        abstract = True
