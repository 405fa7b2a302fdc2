"""The tamper-evident audit log and the base class of models with a state."""
