"""API tokens of administrators."""
