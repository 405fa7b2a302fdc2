"""Administrators: accounts, roles, policies, login, and API tokens."""
