"""Upgrade Agents: staged upgrades of the agents that are older than the console."""
