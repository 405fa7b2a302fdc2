"""The pages of system updates: the list, one update, acts on devices, deployment stages."""
