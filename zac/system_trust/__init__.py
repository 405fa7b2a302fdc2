"""The roots of the zone in the trust store of the operating system."""
