"""Whole zones of real processes: what happens in them from end to end, and under faults."""
