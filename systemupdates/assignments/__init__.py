"""Assignments of updates to devices, deployment stages, and rollout counts."""
