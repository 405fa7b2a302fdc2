"""The command line of the console. It uses the REST API only and imports no code of the console."""

VERSION = "1.0.0rc1"
