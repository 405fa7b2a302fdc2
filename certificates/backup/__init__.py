"""Backups of the zone to a recipient key, and the drill that proves that they restore it."""
