"""Authentication of device requests, and the keys of the zone."""
