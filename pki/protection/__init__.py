"""Protection of keys: sealed blobs, the zone key, PKCS #11 tokens."""
