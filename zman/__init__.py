"""The command line of the console. It uses the REST API only and imports no code of the console."""

VERSION = "0.1.0"
