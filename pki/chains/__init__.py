"""Certificate chains and paths to a root."""
