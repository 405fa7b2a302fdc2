"""Bare Debian hosts with systemd on a network of their own, for scenarios of the installation."""
