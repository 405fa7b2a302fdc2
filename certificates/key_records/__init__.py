"""The record of each CA key: printable, and signed with the zone key."""
