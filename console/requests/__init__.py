"""What belongs to every request: client address and log lines."""
