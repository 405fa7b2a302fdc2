"""The commands of zman, one module for each resource."""
