"""Change CA, Remint CA, and Remint Certificate: the state machine of operations and its steps."""
