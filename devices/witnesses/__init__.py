"""Checkpoints of the audit log that devices and servers keep outside the database."""
