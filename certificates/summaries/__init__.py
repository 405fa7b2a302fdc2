"""Summaries: numbers of a large zone that the worker stores, so that pages do not count."""
