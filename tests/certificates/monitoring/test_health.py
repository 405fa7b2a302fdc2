"""/healthz and /metrics: each component is broken and must be reported as failed."""

from __future__ import annotations

import json
import queue
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import current_app
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from certificates import tasks
from certificates.models import Authority, WorkDuration
from certificates.monitoring import health, metrics, workers
from certificates.tasks import publisher
from console.models import Heartbeat
from devices.identity import zone_keys
from tests.api.conftest import caller
from tests.support import factories, walkthrough
from tests.support.metrics import read_metrics
from zcc.runtime import broker

# Requests that block on a broker that does not respond take longer than this.
PAGE_SECONDS = 0.6
TRIES = 5
PARTS = ("database", "clock", "broker", "worker", "beat", "vault", "disk")


@pytest.fixture
def valkey(tmp_path: Path, settings) -> Iterator[subprocess.Popen[bytes]]:
    """A broker process for one test."""
    home = tmp_path / "b"
    home.mkdir()
    program = broker.build_program(home)
    # With restore_signals, a file that is too long would end the process.
    process = subprocess.Popen(program.arguments, stdout=subprocess.DEVNULL, restore_signals=False)
    end = time.monotonic() + 20
    while not broker.is_ready(home):
        assert time.monotonic() < end
        time.sleep(0.05)
    settings.CELERY_BROKER_URL = broker.get_url(home)
    configuration: Any = current_app.conf
    before = configuration.broker_url
    configuration.broker_url = settings.CELERY_BROKER_URL
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    discard_pending_tasks()
    configuration.broker_url = before


def discard_pending_tasks() -> None:
    """Discard the tasks that the broker has not accepted, before the next test has a broker."""
    pending = publisher._publisher
    with pending._lock, suppress(queue.Empty):
        pending._pending.clear()
        while True:
            pending._requests.get_nowait()


@pytest.fixture
def parts(zone, valkey):
    """Return a function that requests /healthz. The worker has a recent heartbeat."""
    workers.record_periodic_heartbeat(timezone.now())

    def ask(status: int = 200) -> dict[str, str]:
        answer = Client().get("/healthz")
        assert answer.status_code == status, answer.content
        health_states = json.loads(answer.content)
        assert set(health_states["parts"]) == set(PARTS)
        assert set(health_states) == {"status", "parts"}, "the public response must not reveal more"
        assert answer.headers["Cache-Control"] == "no-store"
        return {"whole": health_states["status"], **health_states["parts"]}

    return ask


def measure_fastest(right: Callable[[], bool]) -> float:
    """Return the duration of the fastest of several attempts in seconds. Each must succeed."""
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        assert right()
        taken.append(time.perf_counter() - began)
    return min(taken)


def broken(health_states: dict[str, str]) -> set[str]:
    return {part for part in PARTS if health_states[part] != "ok"}


def test_all_components_are_ok(parts):
    health_states = parts()
    assert health_states["whole"] == "ok"
    assert broken(health_states) == set()


def test_a_killed_broker_is_reported(parts, valkey):
    valkey.kill()
    valkey.wait()
    health_states = parts()
    assert (health_states["whole"], health_states["broker"]) == ("degraded", "failed")
    assert broken(health_states) == {"broker"}


def test_a_broker_that_cannot_write_is_reported_until_it_can(parts, valkey, settings):
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://")
    # The error returns with each attempt of the broker to write.
    with redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        resource.prlimit(valkey.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        with suppress(redis.RedisError):
            client.set("long", "x" * 2000)
        assert broken(parts()) == {"broker"}
        resource.prlimit(valkey.pid, resource.RLIMIT_FSIZE, (-1, -1))
        end = time.monotonic() + 10
        while broken(parts()):
            assert time.monotonic() < end, "the broker did not recover"
        assert client.set("short", "x")


def test_a_frozen_broker_is_reported_without_delay(parts, valkey):
    valkey.send_signal(signal.SIGSTOP)
    assert measure_fastest(lambda: broken(parts()) == {"broker"}) < PAGE_SECONDS
    valkey.send_signal(signal.SIGCONT)
    end = time.monotonic() + 10
    while broken(parts()):
        assert time.monotonic() < end, "the broker did not recover"


def test_a_stopped_worker_differs_from_a_stopped_beat(parts):
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    health_states = parts()
    assert (health_states["worker"], health_states["beat"]) == ("unknown", "failed"), (
        "beat has not enqueued anything"
    )
    publisher._publish(publisher.TaskRequest(tasks.schedule_work.name, (), publisher.SHARED_QUEUE))
    health_states = parts()
    assert (health_states["worker"], health_states["beat"]) == ("failed", "ok"), "the queue grows"


def test_a_wrong_vault_key_is_reported_although_the_right_key_was_loaded(parts, zone):
    assert zone_keys.get_keyring().zone_key
    path = zone.home / "vault" / "vault.key"
    right = path.read_bytes()
    path.write_bytes(right[::-1])
    assert broken(parts()) == {"vault"}
    path.write_bytes(right)
    assert broken(parts()) == set()


@pytest.mark.parametrize("mode", [0o644, 0o000])
def test_a_readable_or_missing_vault_key_is_reported(parts, zone, mode):
    path = zone.home / "vault" / "vault.key"
    if mode:
        path.chmod(mode)
    else:
        path.unlink()
    assert "vault" in broken(parts())


def test_a_full_disk_is_reported(parts, monkeypatch):
    monkeypatch.setattr(health, "MIN_FREE_BYTES", 1 << 60)
    assert broken(parts()) == {"disk"}


def test_an_unavailable_database_is_a_failure_and_hides_other_states(parts, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", away)
    health_states = parts(503)
    assert (health_states["whole"], health_states["database"]) == ("failed", "failed")
    assert health_states["worker"] == health_states["vault"] == "unknown"
    assert health_states["broker"] == "ok"


@pytest.mark.parametrize("way", ["frozen", "dead"])
@pytest.mark.parametrize("path", ["/", "/configuration/certificates/", "/devices/"])
def test_pages_and_actions_do_not_block_on_the_broker(parts, valkey, zone, way, path):
    """A page that waited for the broker would take longer by BROKER_TIMEOUT_SECONDS."""
    client = Client()
    client.force_login(factories.admin("somebody"))
    client.get(path)  # the first one compiles templates
    with_broker = measure_fastest(lambda: client.get(path).status_code == 200)
    if way == "frozen":
        valkey.send_signal(signal.SIGSTOP)
    else:
        valkey.kill()
        valkey.wait()
    without = measure_fastest(lambda: client.get(path).status_code == 200)
    assert without < with_broker * 2 + health.BROKER_TIMEOUT_SECONDS / 2

    def enqueue() -> bool:
        for number in range(20):
            publisher._publisher.enqueue(
                publisher.TaskRequest(tasks.advance_operation.name, (str(number),), "shared")
            )
        return True

    assert measure_fastest(enqueue) < PAGE_SECONDS


def test_metrics_contain_certificates_operations_devices_and_queues(parts, zone):
    zone.join("pc-1")
    operation = walkthrough.remint_ca()
    publisher._publish(
        publisher.TaskRequest(tasks.advance_operation.name, (str(operation.pk),), "shared")
    )
    found = read_metrics()
    works = {labels["component"]: value for labels, value in found["zcc_component_up"]}
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


def test_the_age_of_a_queue_is_the_age_of_its_oldest_task(parts, zone):
    publisher._publish(publisher.TaskRequest(tasks.schedule_work.name, (), "shared"))
    waiting = health.get_queue_states(["shared"])
    assert waiting is not None
    later = timezone.now() + timedelta(minutes=3)
    assert 180 <= waiting["shared"].age(later) < 190
    publisher._publish(publisher.TaskRequest(tasks.schedule_work.name, (), "shared"))
    again = health.get_queue_states(["shared"])
    assert again is not None
    assert (again["shared"].length, again["shared"].oldest_enqueued_at) == (
        2,
        waiting["shared"].oldest_enqueued_at,
    )


def test_signing_times_are_summed(parts, zone):
    operation = walkthrough.remint_ca()
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    found = read_metrics()
    assert found["zcc_csrs_pending"] == [({}, 1.0)]
    assert found["zcc_signing_age_seconds"][0][1] > 0
    walkthrough.sign(zone, Authority.objects.get(state="future"))
    found = read_metrics()
    assert found["zcc_csrs_pending"] == [({}, 0.0)]
    assert found["zcc_signing_seconds_count"] == [({}, 1.0)]
    assert 0 < found["zcc_signing_seconds_sum"][0][1] < 60
    WorkDuration.objects.add(WorkDuration.SIGNING, 2, 0.5)
    assert read_metrics()["zcc_signing_seconds_count"] == [({}, 3.0)]


def test_external_names_cannot_break_the_format(parts, zone):
    Authority.objects.update(subject='CN="x\\\n\nzcc_component_up 0')
    found = read_metrics()
    assert found["zcc_ca_expires_in_seconds"][0][0]["subject"] == 'CN="x\\\n\nzcc_component_up 0'
    assert len(found["zcc_component_up"]) == len(PARTS)


def test_openmetrics_is_returned_on_request(parts):
    text, kind = metrics.render_metrics(
        timezone.now(), "application/openmetrics-text; version=1.0.0"
    )
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_metrics_require_a_local_caller_or_the_right(parts, settings):
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
