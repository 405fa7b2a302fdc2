"""The pilot group: devices that receive a new root first, and must pass preflight checks."""
