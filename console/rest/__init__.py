"""The foundation of the REST API."""
