"""The connection to the broker, which reports that it was closed as a connection error.

When the broker ends while a message is not acknowledged, the worker closes its connection, and
kombu then wants to return the message with the parameters of the connection, which it no longer
has. Its AttributeError ended the worker. After a connection error, the worker connects again.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError as BrokerConnectionError

SCHEMES = ("redis", "rediss")


class Channel(kombu_redis.Channel):
    """A channel that raises a connection error after its connection was closed."""

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        if self.connection.client is None:
            raise BrokerConnectionError("The connection to the broker was closed.")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc]  # not in the stubs


class Transport(kombu_redis.Transport):
    """The transport with this channel."""

    Channel = Channel


def use_transport() -> None:
    """Use this transport for the addresses of Redis and Valkey."""
    for scheme in SCHEMES:
        TRANSPORT_ALIASES[scheme] = f"{__name__}:{Transport.__name__}"
