"""Notifications by email and webhook, with retries and history."""
