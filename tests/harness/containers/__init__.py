"""docker-compose.yml with a container engine: podman, in a storage and a network of its own."""
