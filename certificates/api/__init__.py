"""Authorities, operations and server certificates in the REST API.

What the pages do, by the same functions of the domain and with the same rights. A token cannot
enter a password again; it needs the right Certificate Authority by name instead (D-32).
"""

from certificates.api import (
    acts,
    authority,
    confirming,
    jobs,
    late,
    operations,
    requests,
    servers,
    starts,
)

# The starts come first: their addresses look like that of an operation.
ROUTERS = tuple(
    room.router
    for room in (authority, jobs, starts, operations, acts, confirming, late, servers, requests)
)
