"""The first run: create the zone and its first administrator."""
