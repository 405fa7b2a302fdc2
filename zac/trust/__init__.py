"""The trust store of the device."""
