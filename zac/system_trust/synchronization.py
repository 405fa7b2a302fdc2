"""Keep the trust store of the system equal to the trust list, if zone and device want it.

The zone decides with its signed trust list, and the administrator of the device with a file: all
programs of the host trust a root in this store, for all names. Only roots of the trust list are
installed. They are removed when the list no longer contains them.

See: D-272
"""

from __future__ import annotations

import os
from typing import Dict, Optional

from faults import Fault
from wire import json_codec
from wire.host_messages import (
    STORE_FAILED,
    STORE_INSTALLED,
    STORE_MISSING,
    STORE_NOT_ALLOWED,
    STORE_REMOVED,
    StoreReport,
)
from wire.records import replace
from zac.host import files
from zac.host.home import Home
from zac.host.host import Host
from zac.system_trust import stores
from zac.system_trust.stores import SystemStore
from zac.trust import pem, store

FILE = "system-trust.json"
# The administrator of the device creates this file to allow it.
OPT_IN = "allow-system-trust"
MAX_DETAIL = 200


def load(home: Home) -> Optional[StoreReport]:
    """Return the last result, None if the store was never changed."""
    data = files.read(home.path_to(FILE))
    try:
        return None if data is None else json_codec.load(StoreReport, data)
    except json_codec.Malformed:
        return None


def is_allowed(home: Home) -> bool:
    """Return True if the administrator of this device allows it."""
    return os.path.exists(home.path_to(OPT_IN))


def synchronize(host: Host) -> None:
    """Install and remove roots as the zone and this device want, and store the result."""
    device, cache = host.home.device_or_none(), host.home.zone_cache()
    if device is None or not host.trust_store.exists():
        return
    system_store = stores.find_store()
    known = load(host.home)
    is_wanted = cache.trust_list is not None and cache.trust_list.system_trust
    wanted: Dict[str, str] = {}
    if not is_wanted:
        target = STORE_REMOVED
    elif not is_allowed(host.home):
        target = STORE_NOT_ALLOWED
    elif system_store is None:
        target = STORE_MISSING
    else:
        target, wanted = STORE_INSTALLED, _list_wanted(host, device.zone)
    has_failed = known is not None and known.state == STORE_FAILED
    name = system_store.name if system_store is not None else ""
    is_current = system_store is None or system_store.is_current(device.zone, wanted)
    if system_store is not None and (has_failed or not is_current):
        if not _update(host, system_store, device.zone, wanted):
            return
    elif known is None and not is_wanted:
        return
    _save(host, StoreReport(target, name, len(wanted)))


def remove_all(host: Host, zone: str = "") -> bool:
    """Remove the roots of a zone, by default of all zones; return True if there were any.

    Raises StoreNotUpdated. Called when the device leaves its zone, and when the agent is removed.
    """
    system_store = stores.find_store()
    names = system_store.list_files(zone) if system_store is not None else []
    if system_store is None or not names:
        return False
    for name in names:
        files.remove(os.path.join(system_store.folder, name))
    system_store.run_command()
    files.remove(host.home.path_to(FILE))
    host.log_event("system-trust", state=STORE_REMOVED, store=system_store.name)
    return True


def _list_wanted(host: Host, zone: str) -> Dict[str, str]:
    """Return the roots of the trust list that this host trusts: file name and PEM."""
    accepted = host.home.zone_cache().trust_list
    listed = accepted.roots_sha256 if accepted is not None else []
    trusted = store.roots(host.trust_store.current().trust)
    roots = {pem.fingerprint(root): root for root in trusted}
    return {
        stores.get_file_name(zone, digest): root
        for digest, root in roots.items()
        if digest in listed
    }


def _update(host: Host, system_store: SystemStore, zone: str, wanted: Dict[str, str]) -> bool:
    """Change the store; return False if that failed. An interruption counts as a failure."""
    interrupted = StoreReport(STORE_FAILED, system_store.name, detail="It was interrupted.")
    files.write(host.home.path_to(FILE), json_codec.dump(interrupted))
    try:
        system_store.update(zone, wanted)
    except (Fault, OSError) as error:
        _save(host, StoreReport(STORE_FAILED, system_store.name, detail=str(error)[:MAX_DETAIL]))
        return False
    return True


def _save(host: Host, report: StoreReport) -> None:
    known = load(host.home)
    if known is not None and known.is_same(report):
        return
    dated = replace(report, at=round(host.clock.now(), 3))
    files.write(host.home.path_to(FILE), json_codec.dump(dated))
    name = "system-trust-failed" if report.state == STORE_FAILED else "system-trust"
    host.log_event(
        name, state=report.state, store=report.store, roots=report.roots, detail=report.detail
    )
