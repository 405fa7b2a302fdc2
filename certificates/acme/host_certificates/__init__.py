"""Certificates of hosts without an agent: the page Host Certificates, its dialog, and REST API."""
