"""The hash chain of audit entries: actor, state machine, protection, and verification."""
