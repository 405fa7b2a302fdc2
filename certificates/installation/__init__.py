"""Add Devices: the commands that install and register an agent, and the devices that appear."""
