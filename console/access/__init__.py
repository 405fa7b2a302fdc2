"""API tokens and reauthentication."""
