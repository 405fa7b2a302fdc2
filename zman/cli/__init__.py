"""The command line: options, profiles, output, exit codes."""
