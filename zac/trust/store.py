"""The trust store: generations of trusted roots, private key and certificate.

A generation is an immutable folder, named after the digest of its content. Its meta.json is
written last, then one rename moves the link `current` to it. Readers resolve the link once. Key
and chain are one file, so that an old key is never used with a new certificate.

Roots are only added before an activation, so cancellation and missed updates are harmless.

See: D-28
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from wire import json_codec
from wire.messages import Trust
from wire.metadata import sha256
from wire.records import Record, replace
from zac.host import files as host_files
from zac.host.home import DamagedFile
from zac.trust import pem

CURRENT = "current"
META = "meta.json"


class Generation(Record):
    """Trusted roots and, on a server, its key and chain in one PEM text."""

    trust: Trust
    server: str = ""

    def files(self) -> Dict[str, bytes]:
        """Return the files of this generation without meta.json."""
        contents = {
            "ca.pem": "".join(roots(self.trust)),
            "previous.pem": "".join(self.trust.in_grace),
        }
        if self.server:
            contents["server.pem"] = self.server
        return {name: text.encode() for name, text in contents.items()}

    def meta(self) -> bytes:
        """Return meta.json: the roles of the roots, and the digest of each file."""
        meta: Dict[str, object] = {
            "current": pem.fingerprint(self.trust.current),
            "in_grace": pem.fingerprints(self.trust.in_grace),
            "pending": pem.fingerprints(self.trust.pending),
            "files": {name: sha256(data) for name, data in self.files().items()},
        }
        return json_codec.dump(meta)

    def name(self) -> str:
        """Return the name of the folder: the digest of meta.json."""
        return "gen-" + hashlib.sha256(self.meta()).hexdigest()[:32]


class TrustStore:
    """The folder security/ of a data directory."""

    def __init__(self, path: str) -> None:
        self.path = path

    def current_name(self) -> str:
        """Return the name of the current generation, "" if there is none."""
        return os.path.basename(host_files.read_link(os.path.join(self.path, CURRENT)))

    def exists(self) -> bool:
        """Return True if there is a current generation."""
        return bool(self.current_name())

    def current(self) -> Generation:
        """Return the current generation; raises DamagedFile."""
        while True:
            name = self.current_name()
            try:
                return self.read(name)
            except DamagedFile:
                # Another thread might have activated a new generation and deleted this one.
                if name == self.current_name():
                    raise

    def read(self, name: str) -> Generation:
        """Return a generation; raises DamagedFile if it is incomplete or was changed."""
        try:
            meta = json.loads(self._file(name, META))
            files = {file: self._file(name, file) for file in meta["files"]}
            if any(sha256(files[file]) != meta["files"][file] for file in files):
                raise DamagedFile(("The trust store on this device has been tampered with."))
            return _generation(meta, files)
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFile("Cannot read the trust store on this device.") from error

    def activate(self, generation: Generation) -> bool:
        """Make a generation the current one, atomically; return False if it already was."""
        name = generation.name()
        if name == self.current_name():
            return False
        self._build(generation, name)
        self.switch_to(name)
        return True

    def switch_to(self, name: str) -> None:
        """Make a stored generation the current one; raises DamagedFile if it is incomplete."""
        self.read(name)
        host_files.set_link(os.path.join(self.path, CURRENT), name)

    def delete_except(self, keep: List[str]) -> None:
        """Delete all generations but the current one and those to keep."""
        kept = {*keep, self.current_name()}
        for name in host_files.list_names(self.path):
            if name.startswith("gen-") and name not in kept:
                host_files.remove(os.path.join(self.path, name, META))
                host_files.remove_tree(os.path.join(self.path, name))

    def server_certificate_path(self) -> str:
        """Return the path of the current key and chain, with the link resolved."""
        return os.path.join(self.path, self.current_name(), "server.pem")

    def _build(self, generation: Generation, name: str) -> None:
        folder = os.path.join(self.path, name)
        host_files.make_folder(folder)
        for file, data in generation.files().items():
            host_files.write(os.path.join(folder, file), data)
        host_files.write(os.path.join(folder, META), generation.meta())

    def _file(self, name: str, file: str) -> bytes:
        data = host_files.read(os.path.join(self.path, name, file)) if name else None
        if data is None:
            raise DamagedFile("The trust store on this device is incomplete.")
        return data


def _generation(meta: Dict[str, List[str]], files: Dict[str, bytes]) -> Generation:
    roots = {pem.fingerprint(root): root for root in pem.split(files["ca.pem"].decode())}
    trust = Trust(
        current=roots[str(meta["current"])],
        in_grace=[roots[digest] for digest in meta["in_grace"]],
        pending=[roots[digest] for digest in meta["pending"]],
    )
    return Generation(trust, files.get("server.pem", b"").decode())


def with_trust(generation: Generation, trust: Trust) -> Generation:
    """Return the generation with other trusted roots and the same key and chain."""
    return replace(generation, trust=trust)


Roots = Tuple[str, ...]


def roots(trust: Trust) -> Roots:
    """Return all trusted roots without duplicates, the current one first."""
    return tuple(_distinct([trust.current, *trust.in_grace, *trust.pending]))


def digests(trust: Trust) -> List[str]:
    """Return the fingerprints of all trusted roots, the current one first."""
    return pem.fingerprints(roots(trust))


def with_pending(trust: Trust, root: str) -> Trust:
    """Return the trust with one more announced root."""
    if pem.fingerprint(root) in digests(trust):
        return trust
    return replace(trust, pending=[*trust.pending, root])


def with_offered(trust: Trust, offered: Trust) -> Trust:
    """Return the trust with the roots of the zone added; the current root does not change."""
    known = set(digests(trust))
    grace = [root for root in offered.in_grace if pem.fingerprint(root) not in known]
    pending = [root for root in [offered.current, *offered.pending] if root not in grace]
    added = [root for root in _distinct(pending) if pem.fingerprint(root) not in known]
    return replace(
        trust, in_grace=_distinct([*trust.in_grace, *grace]), pending=[*trust.pending, *added]
    )


def with_current(trust: Trust, digest: str) -> Trust:
    """Return the trust with another current root; the previous one is in its grace period."""
    root = find(trust, digest)
    if root is None or digest == pem.fingerprint(trust.current):
        return trust
    return Trust(
        current=root,
        in_grace=_except([trust.current, *trust.in_grace], [digest]),
        pending=_except(trust.pending, [digest]),
    )


def without(trust: Trust, removed: Iterable[str]) -> Trust:
    """Return the trust without some roots; the current one is never removed."""
    digests = set(removed) - {pem.fingerprint(trust.current)}
    in_grace, pending = _except(trust.in_grace, digests), _except(trust.pending, digests)
    return Trust(trust.current, in_grace, pending)


def with_previous(trust: Trust, old: str, new: str, keep: str) -> Trust:
    """Return the trust with the old root as the current one again.

    `keep` says what becomes of the new root: "pending" if it will be activated later, "in_grace"
    if servers might still use it, "" if it is no longer trusted.
    """
    old_root, new_root = find(trust, old), find(trust, new)
    if old_root is None or new_root is None or old == new:
        return trust
    in_grace, pending = (_except(roots, [old, new]) for roots in (trust.in_grace, trust.pending))
    if keep == "pending":
        return Trust(old_root, in_grace, [new_root, *pending])
    if keep == "in_grace":
        return Trust(old_root, [new_root, *in_grace], pending)
    return Trust(old_root, in_grace, pending)


def find(trust: Trust, digest: str) -> Optional[str]:
    """Return the trusted root with a fingerprint, None if it is not trusted."""
    return next((root for root in roots(trust) if pem.fingerprint(root) == digest), None)


def _except(pems: Sequence[str], removed: Iterable[str]) -> List[str]:
    digests = set(removed)
    return [text for text in _distinct(pems) if pem.fingerprint(text) not in digests]


def _distinct(pems: Sequence[str]) -> List[str]:
    by_digest = {pem.fingerprint(text): text for text in reversed(pems)}
    return list(dict.fromkeys(by_digest[pem.fingerprint(text)] for text in pems))
