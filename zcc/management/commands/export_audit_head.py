"""The name of the command export_audit_checkpoint in the previous release."""

from zcc.management.commands.export_audit_checkpoint import Command

__all__ = ["Command"]
