"""Rows that were changed in the database, and not by ZCC."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class AlteredRow(models.Model):
    """A row without a valid MAC. It is listed until an administrator has decided about it.

    `label` and `key` are the model and the primary key of the row, `name` is its text.
    """

    label = models.CharField(max_length=100)
    key = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    found_at = models.DateTimeField()
    notified_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [models.UniqueConstraint("label", "key", name="altered_row_once")]

    def __str__(self) -> str:
        return f"{self.label}:{self.key}"
