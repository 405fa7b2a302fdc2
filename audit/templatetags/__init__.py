"""Template tags of the audit log."""
