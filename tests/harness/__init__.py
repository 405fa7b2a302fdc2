"""Support for scenarios: real zones with real processes, and clients that behave like users."""
