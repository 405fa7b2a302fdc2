"""Notification targets: pages, forms, REST API."""
