"""The protocol between agents and the console. Uses only the standard library."""
