"""The command line itself: parser, profiles, output formats, exit codes."""
