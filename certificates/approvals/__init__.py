"""Two-administrator approval of CA operations."""
