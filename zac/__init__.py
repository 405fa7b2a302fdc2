"""The agent of every host: trust, keys and certificates of this machine are in its care alone."""

VERSION = "1.0.0"
