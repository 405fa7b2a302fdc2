"""What an administrator may do to the zone's certificates, and how each act moves on."""
