"""A zone whose server creates backups, with real keys and real files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from certificates.backup import creation, drill
from certificates.backup.drill import Proof
from certificates.models import BackupStatus
from faults import Fault
from pki.backup import recipients
from tests.support.zone import TestZone


@dataclass
class BackedUpZone:
    """The zone, the directory of its backups, and the identity of the company."""

    zone: TestZone
    directory: Path
    identity: str
    settings: Any

    def back_up(self, *, ago: timedelta = timedelta(0)) -> Path:
        return creation.back_up(now=self._time(ago))

    def prove(self, **options: Any) -> Proof:
        return drill.prove(now=self._time(timedelta(0)), **options)

    def status(self) -> BackupStatus:
        return BackupStatus.objects.get()

    def _time(self, ago: timedelta) -> datetime:
        return timezone.now() - ago

    def fails(self, expected: str, **options: Any) -> None:
        """Expect the drill to fail for a reason, which is also recorded."""
        with pytest.raises(Fault, match=expected) as caught:
            self.prove(**options)
        assert self.status().drill_fault == str(caught.value)
        assert caught.value.action


@pytest.fixture
def backed_up(zone: TestZone, tmp_path: Path, settings: Any) -> BackedUpZone:
    """A zone that is configured to create backups, and has none yet."""
    identity = recipients.generate_identity()
    directory = tmp_path / "backups"
    settings.BACKUP_DIRECTORY = str(directory)
    settings.BACKUP_RECIPIENT = recipients.get_recipient(identity)
    return BackedUpZone(zone, directory, identity, settings)
