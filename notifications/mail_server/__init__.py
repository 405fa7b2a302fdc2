"""The mail server of the zone: settings in the console, and a test."""
