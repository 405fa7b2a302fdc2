"""What scenarios need: real zones of real processes, and clients that act as people do."""
