"""Tests of the errors and texts that console and agent share."""
