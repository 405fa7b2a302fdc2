"""A small zone for the tests of certificates."""

from collections.abc import Iterator

import pytest

from certificates import answers
from devices import authentication, keyring
from tests import zone as small_zone


@pytest.fixture
def zone(db: None, tmp_path, settings, monkeypatch) -> Iterator[small_zone.TestZone]:
    """Found a zone whose first server is this process; the queue is not rung."""
    settings.SERVER_HOME = tmp_path / "ps-01"
    monkeypatch.setattr("certificates.doorbell.ring", lambda *_, **__: None)
    keyring.forget()
    answers.forget()
    authentication._epochs.clear()
    yield small_zone.found(tmp_path / "ps-01")
    keyring.forget()
    answers.forget()
