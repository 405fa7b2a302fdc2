"""The TLS stacks of the host: which of them accept the new root."""
