"""Certificates for hosts without an agent: the EST server (RFC 7030)."""
