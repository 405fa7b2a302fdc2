"""Trust, key and certificate as whole generations: `current` names a folder that never changes.

A generation is built beside the others under the digest of its content, its meta.json last; then
one rename moves `current`. A reader resolves `current` once and opens files inside. The key and
its chain are one file, so that nothing can pair an old key with a new certificate.

Which roots are trusted and how the set changes: plain functions over wire.messages.Trust.

Trust is only ever added before an activation (D-28 of docs/decisions.md): cancelling or being late
is then harmless.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from wire import json_codec
from wire.messages import Trust
from wire.metadata import sha256
from wire.values import Value, replace
from zac.host import files as host_files
from zac.host.home import Damaged
from zac.trust import pem

CURRENT = "current"
META = "meta.json"


class Generation(Value):
    """What this host trusts and, on a server, its key and chain in one PEM text."""

    trust: Trust
    server: str = ""

    def files(self) -> Dict[str, bytes]:
        """Return the files of this generation but meta.json."""
        made = {
            "ca.pem": "".join(roots(self.trust)),
            "previous.pem": "".join(self.trust.in_grace),
        }
        if self.server:
            made["server.pem"] = self.server
        return {name: text.encode() for name, text in made.items()}

    def meta(self) -> bytes:
        """Return meta.json: which root is what, and the digest of each file."""
        known: Dict[str, object] = {
            "current": pem.fingerprint(self.trust.current),
            "in_grace": pem.fingerprints(self.trust.in_grace),
            "pending": pem.fingerprints(self.trust.pending),
            "files": {name: sha256(data) for name, data in self.files().items()},
        }
        return json_codec.dump(known)

    def name(self) -> str:
        """Return the folder's name: the digest of its meta.json."""
        return "gen-" + hashlib.sha256(self.meta()).hexdigest()[:32]


class Security:
    """The folder security/ of a home."""

    def __init__(self, path: str) -> None:
        self.path = path

    def name(self) -> str:
        """Return the name of the generation in force, "" before the first one."""
        return os.path.basename(host_files.pointed(os.path.join(self.path, CURRENT)))

    def exists(self) -> bool:
        """Tell whether a generation is in force."""
        return bool(self.name())

    def current(self) -> Generation:
        """Return the generation in force; raises Damaged."""
        while True:
            name = self.name()
            try:
                return self.read(name)
            except Damaged:
                # Another thread may have put another one in force, and removed this one.
                if name == self.name():
                    raise

    def read(self, name: str) -> Generation:
        """Return one generation; raises Damaged if it is incomplete or altered."""
        try:
            meta = json.loads(self._file(name, META))
            files = {file: self._file(name, file) for file in meta["files"]}
            if any(sha256(files[file]) != meta["files"][file] for file in files):
                raise Damaged("The trust store of this device was altered.")
            return _generation(meta, files)
        except (ValueError, KeyError, TypeError) as error:
            raise Damaged("The trust store of this device cannot be read.") from error

    def use(self, generation: Generation) -> bool:
        """Put a generation in force, atomically; True if it was not. Harmless to repeat."""
        name = generation.name()
        if name == self.name():
            return False
        self._build(generation, name)
        self.go_to(name)
        return True

    def go_to(self, name: str) -> None:
        """Let `current` name a complete generation; raises Damaged if it is not."""
        self.read(name)
        host_files.point(os.path.join(self.path, CURRENT), name)

    def tidy(self, keep: List[str]) -> None:
        """Remove generations that nobody will go back to; never while another one is built."""
        kept = {*keep, self.name()}
        for name in host_files.names(self.path):
            if name.startswith("gen-") and name not in kept:
                host_files.remove(os.path.join(self.path, name, META))
                host_files.remove_tree(os.path.join(self.path, name))

    def server_file(self) -> str:
        """Return the path of key and chain in force; the link is resolved now, once."""
        return os.path.join(self.path, self.name(), "server.pem")

    def _build(self, generation: Generation, name: str) -> None:
        folder = os.path.join(self.path, name)
        host_files.make_folder(folder)
        for file, data in generation.files().items():
            host_files.write(os.path.join(folder, file), data)
        host_files.write(os.path.join(folder, META), generation.meta())

    def _file(self, name: str, file: str) -> bytes:
        data = host_files.read(os.path.join(self.path, name, file)) if name else None
        if data is None:
            raise Damaged("The trust store of this device is not complete.")
        return data


def _generation(meta: Dict[str, List[str]], files: Dict[str, bytes]) -> Generation:
    roots = {pem.fingerprint(root): root for root in pem.split(files["ca.pem"].decode())}
    held = Trust(
        current=roots[str(meta["current"])],
        in_grace=[roots[digest] for digest in meta["in_grace"]],
        pending=[roots[digest] for digest in meta["pending"]],
    )
    return Generation(held, files.get("server.pem", b"").decode())


def with_trust(generation: Generation, held: Trust) -> Generation:
    """Return the generation with other trust and the same key and chain."""
    return replace(generation, trust=held)


Roots = Tuple[str, ...]


def roots(trust: Trust) -> Roots:
    """Return every root trusted now, the current one first, none twice."""
    return tuple(_distinct([trust.current, *trust.in_grace, *trust.pending]))


def digests(trust: Trust) -> List[str]:
    """Return the fingerprints of every root trusted now, the current one first."""
    return pem.fingerprints(roots(trust))


def with_pending(trust: Trust, root: str) -> Trust:
    """Trust one more root, announced but not yet in force."""
    if pem.fingerprint(root) in digests(trust):
        return trust
    return replace(trust, pending=[*trust.pending, root])


def joined(trust: Trust, offered: Trust) -> Trust:
    """Add what the zone trusts; nothing is dropped and the current root stays."""
    known = set(digests(trust))
    grace = [root for root in offered.in_grace if pem.fingerprint(root) not in known]
    ahead = [root for root in [offered.current, *offered.pending] if root not in grace]
    added = [root for root in _distinct(ahead) if pem.fingerprint(root) not in known]
    return replace(
        trust, in_grace=_distinct([*trust.in_grace, *grace]), pending=[*trust.pending, *added]
    )


def activated(trust: Trust, digest: str) -> Trust:
    """Make a trusted root the current one; the one before stays trusted, in grace."""
    root = find(trust, digest)
    if root is None or digest == pem.fingerprint(trust.current):
        return trust
    return Trust(
        current=root,
        in_grace=_but([trust.current, *trust.in_grace], [digest]),
        pending=_but(trust.pending, [digest]),
    )


def without(trust: Trust, dropped: Iterable[str]) -> Trust:
    """Trust some roots no longer; the current one is never dropped."""
    gone = set(dropped) - {pem.fingerprint(trust.current)}
    return Trust(trust.current, _but(trust.in_grace, gone), _but(trust.pending, gone))


def reverted(trust: Trust, old: str, new: str, keep: str) -> Trust:
    """Make an earlier root the current one again; `keep` says what the later one becomes.

    "pending": it is still to come; "in_grace": servers may still use it; "": dropped.
    """
    root, later = find(trust, old), find(trust, new)
    if root is None or later is None or old == new:
        return trust
    held = Trust(root, _but(trust.in_grace, [old, new]), _but(trust.pending, [old, new]))
    if keep == "pending":
        return replace(held, pending=[later, *held.pending])
    if keep == "in_grace":
        return replace(held, in_grace=[later, *held.in_grace])
    return held


def find(trust: Trust, digest: str) -> Optional[str]:
    """Return the trusted root of that fingerprint."""
    return next((root for root in roots(trust) if pem.fingerprint(root) == digest), None)


def _but(pems: Sequence[str], dropped: Iterable[str]) -> List[str]:
    gone = set(dropped)
    return [text for text in _distinct(pems) if pem.fingerprint(text) not in gone]


def _distinct(pems: Sequence[str]) -> List[str]:
    by_digest = {pem.fingerprint(text): text for text in reversed(pems)}
    return list(dict.fromkeys(by_digest[pem.fingerprint(one)] for one in pems))
