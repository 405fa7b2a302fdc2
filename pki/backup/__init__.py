"""The encrypted backup of a CA."""
