"""The commands of zman, one module for each group of resources."""
