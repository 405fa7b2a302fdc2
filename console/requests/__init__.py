"""The client address and the log context of requests."""
