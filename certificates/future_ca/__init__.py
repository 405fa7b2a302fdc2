"""The new zone CA of an operation: how it is built, and its certificate from another CA."""
