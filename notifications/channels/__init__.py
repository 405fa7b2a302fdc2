"""The channels that carry a notification: mail and webhook."""
