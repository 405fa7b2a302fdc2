"""Maintenance windows and change freezes: when certificates may be activated."""
