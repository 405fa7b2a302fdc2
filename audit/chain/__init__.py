"""The tamper-evident chain of audit entries, and the state mechanism that writes it."""
