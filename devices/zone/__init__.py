"""Settings of the zone."""
