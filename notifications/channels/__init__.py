"""The channels of notifications: email and webhook."""
