"""The host of an agent: files, locks, clock, state."""
