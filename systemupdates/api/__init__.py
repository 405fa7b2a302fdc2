"""System updates, their devices, content servers and deployment stages in the REST API.

What the System Updates pages do, by the same functions of the domain and with the same right.
"""

from systemupdates.api import assignments, replicas, stages, updates

ROUTERS = tuple(room.router for room in (updates, assignments, replicas, stages))
