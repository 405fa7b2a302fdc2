"""ACME account keys: the page ACME Accounts, REST API, and the rules."""
