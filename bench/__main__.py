"""Run every benchmark in a process of its own; print the table and write bench/results.json."""
