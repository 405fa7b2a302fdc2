"""TLS connections and calls to the zone."""
