"""The project: settings, URLs, queue, launcher, listener."""
