"""Health checks of the zone: what is not safe, how to correct it, and what was accepted."""
