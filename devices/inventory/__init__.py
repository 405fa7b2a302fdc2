"""The Devices list, the device page, and actions on devices."""
