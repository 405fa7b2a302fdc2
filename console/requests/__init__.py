"""The client address, the log context, and the open bodies of requests."""
