"""Several workers sign the pending CSRs of a CA (D-306)."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from certificates.authority import key_store
from certificates.issuance import claims, signing
from certificates.models import Authority, FutureCertificate, IssuedCertificate
from certificates.operations.states import FutureState
from tests.devices.registration.test_server_names import register
from tests.support.zone import Host
from wire import messages

SATELLITE = messages.AUTHENTICATION_SATELLITE


def sign(now: Any = None) -> int:
    return signing.sign_batch(Authority.objects.current(), now=now or timezone.now())


def request(zone: Any, *names: str) -> None:
    for number, name in enumerate(names, start=1):
        register(zone, Host(name, SATELLITE, f"10.1.1.{number}"))


def list_serials() -> int:
    return int(IssuedCertificate.objects.filter(subject__startswith="as-").count())


def test_a_batch_that_is_being_signed_is_not_signed_by_another_worker(zone, monkeypatch):
    request(zone, "as-01", "as-02")
    numbers: list[int] = []
    open_issuer = key_store.open_issuer

    def open_later(*args: Any, **kwargs: Any) -> Any:
        if not numbers:
            numbers.append(0)
            numbers.append(sign())
        return open_issuer(*args, **kwargs)

    monkeypatch.setattr(key_store, "open_issuer", open_later)
    assert sign() == 2
    assert numbers == [0, 0], "the second worker found nothing to sign"
    assert list_serials() == 2, "each server has one certificate"
    assert sign() == 0


def test_another_worker_signs_the_next_batch_at_the_same_time(zone, monkeypatch):
    monkeypatch.setattr(signing, "BATCH", 1)
    request(zone, "as-01", "as-02")
    numbers: list[int] = []
    open_issuer = key_store.open_issuer

    def open_later(*args: Any, **kwargs: Any) -> Any:
        if not numbers:
            numbers.append(0)
            numbers.append(sign())
        return open_issuer(*args, **kwargs)

    monkeypatch.setattr(key_store, "open_issuer", open_later)
    assert (sign(), numbers) == (1, [0, 1])
    created = FutureCertificate.objects.filter(state=FutureState.CREATED)
    assert created.filter(device__name__startswith="as-").count() == list_serials() == 2


def test_a_batch_that_failed_can_be_signed_immediately(zone, monkeypatch):
    request(zone, "as-01")
    with monkeypatch.context() as context:
        context.setattr(key_store, "open_issuer", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sign()
    assert sign() == 1


def test_the_batch_of_a_worker_that_was_killed_is_signed_later(zone):
    request(zone, "as-01")
    now = timezone.now()
    FutureCertificate.objects.update(claimed_until=now + claims.CLAIM)
    assert sign(now) == 0
    assert sign(now + claims.CLAIM + timedelta(seconds=1)) == 1


def test_a_csr_that_was_requested_again_while_it_was_signed_is_signed_immediately(
    zone, monkeypatch
):
    request(zone, "as-01")
    future = FutureCertificate.objects.get(device__name="as-01")
    store = signing._store_certificates

    def change_first(*args: Any) -> None:
        FutureCertificate.objects.filter(pk=future.pk).update(generation=future.generation + 1)
        store(*args)

    with monkeypatch.context() as context:
        context.setattr(signing, "_store_certificates", change_first)
        sign()
    future.refresh_from_db()
    assert (future.state, future.claimed_until) == (FutureState.AWAITED, None)
    assert sign() == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_sign_each_csr_once(zone, monkeypatch):
    """Both start at the same time, each with its own connection to the database."""
    monkeypatch.setattr(signing, "BATCH", 2)
    request(zone, *(f"as-{number:02}" for number in range(1, 9)))
    begin, done = threading.Barrier(2), []

    def work() -> None:
        try:
            begin.wait(30)
            while count := sign():
                done.append(count)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sum(done) == list_serials() == 8
    assert not FutureCertificate.objects.filter(state=FutureState.AWAITED).exists()
