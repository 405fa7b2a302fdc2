"""Audit entries on the page and in the REST API."""
