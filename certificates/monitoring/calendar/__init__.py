"""Expirations as a calendar to which calendar programs subscribe."""
