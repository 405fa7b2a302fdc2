"""Run the hooks for each change, at least once, and keep their results for the next refresh.

hooks.json contains what the hooks have seen. It is updated after the last hook, so hooks that were
interrupted run again. A hook that failed is not run again: it might have done half of its work,
and only its administrator knows whether it can be repeated (zac hooks run).

See: D-269
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional

from wire import json_codec
from wire.host_messages import (
    FAILED,
    INTERRUPTED,
    NOT_RUN,
    SUCCEEDED,
    TIMED_OUT,
    HookReport,
    HookResult,
)
from wire.records import Record, field, replace
from zac.hooks import events, folder
from zac.hooks.events import Event, Snapshot
from zac.hooks.folder import Hook
from zac.host import files, locks, processes
from zac.host.home import Home
from zac.host.host import Host

FILE, LOCK = "hooks.json", "hooks.lock"
LOCK_WAIT = 1.0
LIMIT_SECONDS = 60.0
MAX_DETAIL = 200
# A hook that ends the agent, for example by a restart of its service, is started this often.
MAX_STARTS = 3


class HookJournal(Record):
    """Contents of hooks.json.

    `seen` is the state for which all hooks have run, `target` the one for which they run now, None
    if they do not. `results` are those of the last or current run, which began at `at`. `running`
    is the event and the name of the hook that was started last, `starts` how often.
    """

    seen: Optional[Snapshot] = None
    target: Optional[Snapshot] = None
    at: float = 0.0
    results: List[HookResult] = field(default_factory=list)
    running: str = ""
    starts: int = 0


def load(home: Home) -> HookJournal:
    """Return the journal, an empty one if its file is missing or damaged."""
    data = files.read(home.path_to(FILE))
    try:
        return HookJournal() if data is None else json_codec.load(HookJournal, data)
    except json_codec.Malformed:
        return HookJournal()


def build_report(home: Home) -> Optional[HookReport]:
    """Return the results of the last completed run, None before the first one."""
    journal = load(home)
    if journal.seen is None or journal.target is not None:
        return None
    return HookReport(journal.at, journal.results)


def run_due(host: Host, is_stopped: Callable[[], bool] = lambda: False) -> bool:
    """Run the hooks for what has changed since they last ran; return True if any hook ran."""
    now = events.take_snapshot(host)
    if now is None or load(host.home).seen == now:
        return False
    with locks.hold(host.home.path_to(LOCK), LOCK_WAIT):
        journal = load(host.home)
        before = journal.seen or Snapshot()
        return _run(host, journal, events.list_events(before, now), now, is_stopped)


def run_again(host: Host, names: List[str]) -> List[HookResult]:
    """Run the hooks for some events as if nothing had been trusted before; return the results."""
    now = events.take_snapshot(host)
    if now is None:
        return []
    with locks.hold(host.home.path_to(LOCK), LOCK_WAIT):
        repeated = [Event(name, now.roots(), []) for name in names]
        journal = replace(load(host.home), target=None)
        _run(host, journal, repeated, now, lambda: False)
        return load(host.home).results


def _run(
    host: Host,
    journal: HookJournal,
    due: List[Event],
    now: Snapshot,
    is_stopped: Callable[[], bool],
) -> bool:
    if journal.target != now:
        journal = HookJournal(journal.seen, now, round(host.clock.now(), 3))
    for event in due:
        for hook in folder.list_hooks(host.home):
            if (event.name, hook.name) in [(one.event, one.name) for one in journal.results]:
                continue
            journal = _start(host, journal, event, hook)
            result = _run_hook(host, journal, event, hook, is_stopped)
            if result is None:
                return True
            _log(host, result)
            journal = replace(journal, results=[*journal.results, result], running="", starts=0)
            _save(host.home, journal)
    _save(host.home, replace(journal, seen=now, target=None))
    return bool(journal.results)


def _start(host: Host, journal: HookJournal, event: Event, hook: Hook) -> HookJournal:
    """Store that a hook is started, so that an interruption is noticed."""
    running = "%s %s" % (event.name, hook.name)
    starts = journal.starts + 1 if journal.running == running else 1
    journal = replace(journal, running=running, starts=starts)
    _save(host.home, journal)
    return journal


def _run_hook(
    host: Host, journal: HookJournal, event: Event, hook: Hook, is_stopped: Callable[[], bool]
) -> Optional[HookResult]:
    """Run one hook and return its result, None if the agent stops."""
    if hook.problem:
        return HookResult(hook.name, event.name, NOT_RUN, detail=_clean(hook.problem))
    if journal.starts > MAX_STARTS:
        text = "the agent ended %d times while the hook was running" % MAX_STARTS
        return HookResult(hook.name, event.name, INTERRUPTED, detail=text)
    environment = build_environment(host, event)
    done = processes.run(
        [hook.path], limit=LIMIT_SECONDS, environment=environment, is_stopped=is_stopped
    )
    if done.is_stopped:
        return None
    state = TIMED_OUT if done.is_late else FAILED if done.exit_code else SUCCEEDED
    detail = _clean(done.last_line)
    return HookResult(hook.name, event.name, state, done.exit_code, done.seconds, detail)


def build_environment(host: Host, event: Event) -> Dict[str, str]:
    """Return the variables that a hook receives. They contain paths and digests, no secrets."""
    device, cache = host.device, host.home.zone_cache()
    trust = host.trust_store.current()
    server = host.home.path_to("security", "current", "server.pem")
    return {
        "ZAC_EVENT": event.name,
        "ZAC_HOME": host.home.path,
        "ZAC_ZONE": device.zone,
        "ZAC_ZONE_NAME": cache.zone_name,
        "ZAC_DEVICE": device.name,
        "ZAC_UPDATE": events.find_update(host, event),
        "ZAC_ROOTS": host.home.path_to("security", "current", "ca.pem"),
        "ZAC_ROOTS_ADDED": " ".join(event.added),
        "ZAC_ROOTS_REMOVED": " ".join(event.removed),
        "ZAC_CERTIFICATE": server if trust.server else "",
    }


def _clean(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:MAX_DETAIL]


def _log(host: Host, result: HookResult) -> None:
    name = "hook" if result.state == SUCCEEDED else "hook-failed"
    host.log_event(
        name, hook=result.name, cause=result.event, state=result.state, detail=result.detail
    )


def _save(home: Home, journal: HookJournal) -> None:
    files.write(home.path_to(FILE), json_codec.dump(journal))
