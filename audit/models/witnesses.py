"""Checkpoints that prove that entries are missing, and decisions of administrators about them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class CheckpointMismatch(models.Model):
    """A checkpoint that a device or server kept, and that the audit log does not contain.

    `branch`, `seq`, and `digest` are those of the checkpoint. `last_seq` was the number of the last
    entry when the mismatch was found.
    """

    branch = models.PositiveIntegerField()
    seq = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    witness = models.CharField(max_length=200)
    last_seq = models.BigIntegerField()
    found_at = models.DateTimeField()
    notified_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-branch", "-seq", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint("branch", "seq", "digest", name="checkpoint_mismatch_once")
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.digest[:8]} of {self.witness}"


class LossAcceptance(models.Model):
    """The decision of an administrator that missing entries are accepted. It starts a new branch.

    It is signed with the zone key, so that write access to the database is not enough to add one.
    """

    branch = models.PositiveIntegerField(unique=True)
    envelope = models.TextField()

    class Meta:
        default_permissions = ()
        ordering: ClassVar = ["-branch"]

    def __str__(self) -> str:
        return str(self.branch)
