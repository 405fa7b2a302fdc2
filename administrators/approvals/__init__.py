"""Approval of roles that can approve CA operations, by a second administrator."""
