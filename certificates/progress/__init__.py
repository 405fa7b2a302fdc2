"""How far an operation is: stages, counts, and its signed report."""
