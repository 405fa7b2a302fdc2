"""Trusted roots, readiness for activation, and devices that do not use the current root."""
