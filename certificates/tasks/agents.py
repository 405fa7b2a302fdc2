"""Tasks that a Primary Server runs for its own agent."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

from celery import shared_task
from django.conf import settings

from certificates.tasks import publisher
from devices.identity import zone_keys
from devices.models import Device
from systemupdates.remint_tool import build


@shared_task
@publisher.accept_previous_name("wake")
def notify_agent() -> None:
    """Request an immediate refresh from the agent of this host."""
    recorded = Path(settings.SERVER_HOME) / "wake.path"
    default = Path(settings.SERVER_HOME) / "wake.sock"
    # An agent that is not running refreshes when it starts.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        target = recorded.read_text().strip() if recorded.exists() else str(default)
        channel.settimeout(0)
        channel.sendto(b"refresh", target)


@shared_task
@publisher.accept_previous_name("publish_tools")
def publish_remint_tools() -> None:
    """Offer the Certificate Remint Tools of active updates on this server, and no others."""
    build.publish_tools(zone_keys.get_keyring().server_id)


def notify_agents() -> None:
    """Request a refresh and current remint tools on every Primary Server."""
    for guid in Device.objects.primaries().values_list("pk", flat=True):
        queue = publisher.get_server_queue(guid)
        publisher.enqueue(notify_agent, queue=queue)
        publisher.enqueue(publish_remint_tools, queue=queue)
