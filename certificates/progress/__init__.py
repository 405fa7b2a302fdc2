"""The progress of an operation: stages, counts, and its signed report."""
