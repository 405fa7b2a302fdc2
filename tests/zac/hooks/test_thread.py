"""The thread that runs hooks: it looks once for each change, and reports failures immediately."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.zac.hooks.conftest import WriteHook
from tests.zac.support.certificates import Root
from tests.zac.support.zone import Zone
from wire.records import replace
from zac import wakeup
from zac.hooks.thread import HookThread
from zac.host import state
from zac.host.host import Host
from zac.updates import refresh
from zac.wakeup import WakeupSocket


@pytest.fixture
def socket(device: Host) -> Iterator[WakeupSocket]:
    opened = WakeupSocket(device.home.path)
    yield opened
    opened.close()


def test_a_failure_causes_a_refresh_and_a_success_does_not(
    device: Host, write_hook: WriteHook, socket: WakeupSocket
) -> None:
    hook = write_hook("10-a")
    HookThread(device).check()
    assert socket.wait(0) is None
    with hook.open("a") as file:
        file.write("exit 1\n")
    trust = device.trust_store.current()
    new = replace(trust.trust, pending=[Root("Zone CA 2").pem])
    device.trust_store.activate(replace(trust, trust=new))
    HookThread(device).check()
    assert socket.wait(5) == wakeup.REFRESH


def test_an_activation_that_is_not_complete_is_looked_at_again(
    zone: Zone, device: Host, write_hook: WriteHook, read_runs: Callable[[], list[str]]
) -> None:
    write_hook("10-a")
    thread = HookThread(device)
    thread.check()
    read_runs()
    update = zone.update(Root("Zone CA 2"), activate_at=int(zone.now()) - 60).id
    refresh.refresh(device)
    device.state.edit(update, lambda record: replace(record, step=state.VERIFYING))
    thread.check()
    assert read_runs() == []
    device.state.edit(update, lambda record: replace(record, step=state.CONFIRMED))
    thread.check()
    assert read_runs() == ["10-a trust-changed", "10-a activated"]
    thread.check()
    assert read_runs() == []
