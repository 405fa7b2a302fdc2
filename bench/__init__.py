"""The benchmarks: `python -m bench` prints a table and writes bench/results.json.

Only ratios within one run mean anything, and CPU time is steadier than wall time
(docs/performance.md).
"""
