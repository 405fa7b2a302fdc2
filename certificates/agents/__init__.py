"""The agent protocol: endpoints under /zac/v1/."""
