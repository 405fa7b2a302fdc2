"""Home, health, metrics, and events for notifications."""
