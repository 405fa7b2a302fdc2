"""The command line of the console: everything through its REST API, nothing of its code."""

VERSION = "0.1.0"
