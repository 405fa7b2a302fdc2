"""Updates on the device, step by step."""
