"""Tests of the console, the agent and their parts."""
