"""Forwarding of the audit log to a syslog server."""
