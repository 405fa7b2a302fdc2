"""The name of the command setup_link in the previous release."""

from zcc.management.commands.setup_link import Command

__all__ = ["Command"]
