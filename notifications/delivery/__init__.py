"""Notification events and their delivery."""
