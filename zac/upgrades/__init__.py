"""Upgrades of the agent itself that an administrator has started in the console."""
