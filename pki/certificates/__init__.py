"""Building, checking, and reading certificates."""
