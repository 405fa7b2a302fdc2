"""A slow receiver does not block other notifications (B-25)."""

import socket
import threading
from contextlib import suppress

import pytest
from django.utils import timezone
from urllib3.exceptions import HTTPError

from notifications import tasks
from notifications.channels import ssrf_guard
from notifications.delivery import delivery as notifications_delivery
from notifications.models import Delivery, DeliveryState
from tests.harness.zone import until
from tests.notifications.delivery.test_delivery import BLOCKED

pytestmark = pytest.mark.django_db(transaction=True)


def queued():
    notifications_delivery.enqueue(BLOCKED, now=timezone.now())
    return Delivery.objects.get()


def is_sent(delivery):
    delivery.refresh_from_db()
    return delivery.state == DeliveryState.SENT


def test_a_slow_receiver_does_not_block_the_worker(hook, receiver):
    receiver.may_answer.clear()
    delivery = queued()
    tasks.send(str(delivery.pk))
    until(lambda: receiver.posted, "it is posted")
    assert not is_sent(delivery), "and the task has ended already"
    tasks.send(str(delivery.pk))
    receiver.may_answer.set()
    until(lambda: is_sent(delivery), "it is sent")
    until(lambda: not tasks._sending, "its thread has ended")
    assert len(receiver.posted) == 1


def test_the_number_of_threads_is_limited(hook, receiver, monkeypatch):
    monkeypatch.setattr(tasks, "MAX_THREADS", 0)
    delivery = queued()
    tasks.send(str(delivery.pk))
    assert delivery.pk in notifications_delivery.list_due(timezone.now()), "it is still due"
    assert receiver.posted == []


def test_a_bug_while_sending_is_logged(hook, receiver, monkeypatch, caplog):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(notifications_delivery, "send", broken)
    delivery = queued()
    tasks.send(str(delivery.pk))
    until(lambda: not tasks._sending, "its thread has ended")
    assert str(delivery.pk) in caplog.text


def test_a_response_sent_byte_by_byte_exceeds_the_time_limit(settings, monkeypatch):
    import ipaddress

    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    monkeypatch.setattr(ssrf_guard, "RESPONSE_TIMEOUT", 0.5)
    answer = b"HTTP/1.1 200 OK\r\nX-Long: slow\r\nContent-Length: 0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            line, _ = server.accept()
            with line, suppress(OSError):
                for octet in answer:
                    line.sendall(bytes([octet]))
                    threading.Event().wait(0.1)

        thread = threading.Thread(target=drip)
        thread.start()
        with pytest.raises(HTTPError):
            ssrf_guard.post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {})
        thread.join()
