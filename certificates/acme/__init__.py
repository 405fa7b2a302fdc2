"""Certificates for hosts without an agent: the ACME server (RFC 8555, RFC 9773)."""
