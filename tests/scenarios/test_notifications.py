"""A zone tells what happens: mail by a real SMTP server, signed webhooks to a real receiver (B-25).

One receiver never answers in time; the operation and everybody else wait for it no more than it
is worth.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.harness.zone import until
from tests.scenarios import administrator
from tests.scenarios.running_zone import RunningZone
from tests.support import receivers

StartZone = Callable[..., RunningZone]
pytestmark = pytest.mark.long


def test_an_operation_is_told_by_mail_and_signed_webhook_whatever_a_slow_receiver_does(
    start_zone: StartZone,
) -> None:
    with (
        receivers.mail_server() as (box, port),
        receivers.http_server() as receiver,
        receivers.http_server() as slow,
    ):
        slow.may_answer.clear()
        zone = start_zone(
            devices=2,
            environment={
                "ZCC_SMTP_URL": f"smtp://127.0.0.1:{port}",
                "ZCC_WEBHOOK_NETWORKS": "127.0.0.0/8",
            },
        )
        api = zone.program()
        told = ["operation.started", "operation.activated", "operation.completed"]
        secrets = {
            server: api.post(
                "/notification-targets", kind="webhook", name=name, url=server.url, events=told
            )["secret"]
            for name, server in (("pager", receiver), ("slow", slow))
        }
        night = ["night@acme.example"]
        api.post("/notification-targets", kind="mail", name="night", recipients=night, events=told)
        administrator.remint_ca(api, 75)
        zone.completes()
        titles = {"has started", "has been activated on the servers", "is complete"}
        until(lambda: said(box) == titles, "three mails came", 60)
        until(lambda: kinds(receiver) == set(told), "three webhooks came", 60)
        for _path, headers, body in receiver.posted:
            assert receivers.is_signed(secrets[receiver], headers, body)
        assert len(receiver.posted) == len(told), "each of them once"
        assert kinds(slow) >= {"operation.started"}, "the slow one was tried, too"
        history = api.get("/notifications?q=slow")["items"]
        assert {one["state"] for one in history} == {"waiting"}


def said(box: receivers.Mailbox) -> set[str]:
    words = [str(message["Subject"]).partition("] ")[2] for message in box.messages]
    ends = ("has started", "has been activated on the servers", "is complete")
    return {end for word in words for end in ends if word.endswith(end)}


def kinds(server: receivers.Receiver) -> set[str]:
    return {json.loads(body)["type"] for _path, _headers, body in server.posted}
