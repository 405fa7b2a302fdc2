"""The objects that an audit entry names, so that entries can be found by each of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class EntryObject(models.Model):
    """An object that an audit entry names. `manage.py verify_audit` compares it with the entry."""

    entry = models.ForeignKey(
        "ledger.Entry",
        on_delete=models.DO_NOTHING,
        related_name="objects_named",
        db_constraint=False,
        db_index=False,
    )
    subject = models.CharField(max_length=200)
    name = models.CharField(max_length=200)

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint("entry", "subject", name="entry_object_once")
        ]
        indexes: ClassVar = [models.Index(fields=["subject", "entry"], name="entry_object_subject")]

    def __str__(self) -> str:
        return f"{self.entry_id} {self.subject} {self.name}"
