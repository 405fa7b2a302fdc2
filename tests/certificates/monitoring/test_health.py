"""/healthz and /metrics: each part is told apart by breaking it for real (B-23, S-105, S-109)."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from certificates import tasks
from certificates.models import Authority, Tally
from certificates.monitoring import health, metrics
from certificates.tasks import enqueue
from console.models import Pulse
from devices.identity import zone_keys
from tests.api.conftest import caller
from tests.support import factories, walkthrough
from zcc.runtime import broker

# Who waits for a broker that does not answer waits longer than this, and does so each time.
PAGE_SECONDS = 0.6
TRIES = 5
PARTS = ("database", "broker", "worker", "beat", "vault", "disk")


@pytest.fixture
def valkey(tmp_path: Path, settings) -> Iterator[subprocess.Popen[bytes]]:
    """A real broker of this test alone."""
    home = tmp_path / "b"
    home.mkdir()
    program = broker.program(home)
    process = subprocess.Popen(program.arguments, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 20
    while not broker.answers(home):
        assert time.monotonic() < end
        time.sleep(0.05)
    settings.CELERY_BROKER_URL = broker.url(home)
    configuration: Any = current_app.conf
    before = configuration.broker_url
    configuration.broker_url = settings.CELERY_BROKER_URL
    yield process
    configuration.broker_url = before
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()


@pytest.fixture
def parts(zone, valkey):
    """Return a function that asks /healthz; the worker was at work just now."""
    health.note_sweep(timezone.now())

    def ask(status: int = 200) -> dict[str, str]:
        answer = Client().get("/healthz")
        assert answer.status_code == status, answer.content
        told = json.loads(answer.content)
        assert set(told["parts"]) == set(PARTS)
        assert set(told) == {"status", "parts"}, "nothing that a stranger could use"
        assert answer.headers["Cache-Control"] == "no-store"
        return {"whole": told["status"], **told["parts"]}

    return ask


def quickest(right: Callable[[], bool]) -> float:
    """Return the seconds that the quickest of some tries took; each must come out right."""
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        assert right()
        taken.append(time.perf_counter() - began)
    return min(taken)


def broken(told: dict[str, str]) -> set[str]:
    return {part for part in PARTS if told[part] != "ok"}


def test_all_is_well(parts):
    told = parts()
    assert told["whole"] == "ok"
    assert broken(told) == set()


def test_a_broker_that_is_killed_is_told(parts, valkey):
    valkey.kill()
    valkey.wait()
    told = parts()
    assert (told["whole"], told["broker"]) == ("degraded", "failed")
    assert broken(told) == {"broker"}


def test_a_frozen_broker_is_told_and_delays_nobody(parts, valkey):
    valkey.send_signal(signal.SIGSTOP)
    assert quickest(lambda: broken(parts()) == {"broker"}) < PAGE_SECONDS
    valkey.send_signal(signal.SIGCONT)
    end = time.monotonic() + 10
    while broken(parts()):
        assert time.monotonic() < end, "it does not recover"


def test_no_worker_is_told_apart_from_no_beat(parts):
    Pulse.objects.update(at=timezone.now() - timedelta(minutes=5))
    told = parts()
    assert (told["worker"], told["beat"]) == ("unknown", "failed"), "nothing was asked for"
    enqueue._publish(enqueue.Ring(tasks.sweep.name, (), health.SHARED))
    told = parts()
    assert (told["worker"], told["beat"]) == ("failed", "ok"), "work piles up"


def test_a_wrong_vault_key_is_told_though_the_right_one_was_loaded(parts, zone):
    assert zone_keys.here().zone_key
    path = zone.home / "vault" / "vault.key"
    right = path.read_bytes()
    path.write_bytes(right[::-1])
    assert broken(parts()) == {"vault"}
    path.write_bytes(right)
    assert broken(parts()) == set()


@pytest.mark.parametrize("mode", [0o644, 0o000])
def test_a_vault_key_that_others_can_read_or_nobody_is_told(parts, zone, mode):
    path = zone.home / "vault" / "vault.key"
    if mode:
        path.chmod(mode)
    else:
        path.unlink()
    assert "vault" in broken(parts())


def test_a_full_disk_is_told(parts, monkeypatch):
    monkeypatch.setattr(health, "DISK_FREE_AT_LEAST", 1 << 60)
    assert broken(parts()) == {"disk"}


def test_a_database_that_is_away_is_a_failure_and_hides_what_it_knows(parts, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", away)
    told = parts(503)
    assert (told["whole"], told["database"]) == ("failed", "failed")
    assert told["worker"] == told["vault"] == "unknown"
    assert told["broker"] == "ok"


@pytest.mark.parametrize("way", ["frozen", "dead"])
@pytest.mark.parametrize("path", ["/", "/configuration/certificates/", "/devices/"])
def test_no_page_and_no_act_waits_for_the_broker(parts, valkey, zone, way, path):
    if way == "frozen":
        valkey.send_signal(signal.SIGSTOP)
    else:
        valkey.kill()
        valkey.wait()
    client = Client()
    client.force_login(factories.admin("somebody"))
    client.get(path)  # the first one compiles templates
    assert quickest(lambda: client.get(path).status_code == 200) < PAGE_SECONDS

    def ring() -> bool:
        for number in range(20):
            enqueue._doorbell.ring(enqueue.Ring(tasks.advance.name, (str(number),), "shared"))
        return True

    assert quickest(ring) < PAGE_SECONDS


def numbers(accept: str = "") -> dict[str, list[tuple[dict[str, str], float]]]:
    text, _kind = metrics.text(timezone.now(), accept)
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_numbers_tell_of_certificates_operations_devices_and_queues(parts, zone):
    zone.join("pc-1")
    operation = walkthrough.remint_ca()
    enqueue._publish(enqueue.Ring(tasks.advance.name, (str(operation.pk),), "shared"))
    found = numbers()
    works = {labels["part"]: value for labels, value in found["zcc_part_ok"]}
    assert works == dict.fromkeys(PARTS, 1.0)
    year = 365 * 86_400
    assert 9 * year < found["zcc_ca_expires_in_seconds"][0][1] < 11 * year
    assert found["zcc_server_certificate_expires_in_seconds"][0][0] == {"server": "ps-01"}
    assert found["zcc_operation_info"] == [
        ({"id": str(operation.pk), "kind": "remint-ca", "state": "preparing"}, 1.0)
    ]
    assert found["zcc_operations_blocking"] == [({}, 1.0)]
    assert ({"role": "managed", "state": "registered"}, 1.0) in found["zcc_devices"]
    assert ({"queue": "shared"}, 1.0) in found["zcc_queue_length"]
    ages = {labels["queue"]: value for labels, value in found["zcc_queue_age_seconds"]}
    assert 0 < ages["shared"] < 60
    assert ages[f"server.{zone.first.id}"] == 0


def test_the_age_of_a_queue_is_that_of_its_oldest_task(parts, zone):
    enqueue._publish(enqueue.Ring(tasks.sweep.name, (), "shared"))
    waiting = health.look_into(["shared"])
    assert waiting is not None
    later = timezone.now() + timedelta(minutes=3)
    assert 180 <= waiting["shared"].age(later) < 190
    enqueue._publish(enqueue.Ring(tasks.sweep.name, (), "shared"))
    again = health.look_into(["shared"])
    assert again is not None
    assert (again["shared"].length, again["shared"].since) == (2, waiting["shared"].since)


def test_times_of_signing_are_summed_up(parts, zone):
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    found = numbers()
    assert found["zcc_signing_waiting"] == [({}, 1.0)]
    assert found["zcc_signing_age_seconds"][0][1] > 0
    walkthrough.sign(zone, Authority.objects.get(state="future"))
    found = numbers()
    assert found["zcc_signing_waiting"] == [({}, 0.0)]
    assert found["zcc_signing_seconds_count"] == [({}, 1.0)]
    assert 0 < found["zcc_signing_seconds_sum"][0][1] < 60
    Tally.objects.add(Tally.SIGNING, 2, 0.5)
    assert numbers()["zcc_signing_seconds_count"] == [({}, 3.0)]


def test_names_from_elsewhere_cannot_break_the_text(parts, zone):
    Authority.objects.update(subject='CN="x\\\n\nzcc_part_ok 0')
    found = numbers()
    assert found["zcc_ca_expires_in_seconds"][0][0]["subject"] == 'CN="x\\\n\nzcc_part_ok 0'
    assert len(found["zcc_part_ok"]) == len(PARTS)


def test_openmetrics_is_spoken_where_it_is_asked_for(parts):
    text, kind = metrics.text(timezone.now(), "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_numbers_are_for_this_host_and_for_who_has_the_right(parts, settings):
    assert Client().get("/metrics").status_code == 200
    elsewhere: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.1"}
    assert Client().get("/metrics", **elsewhere).status_code == 401
    assert Client().get("/metrics", HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 401
    reader, nobody = caller("prometheus", "console.view_metrics"), caller("nobody")
    for who, status in ((reader, 200), (nobody, 403)):
        header: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {who.text}"}
        assert Client().get("/metrics", **elsewhere, **header).status_code == status
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert Client().get("/metrics").status_code == 401
