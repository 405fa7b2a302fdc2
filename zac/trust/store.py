"""Trust, key and certificate as whole generations: `current` names a folder that never changes.

A generation is built beside the others under the digest of its content, its meta.json last; then
one rename moves `current`. A reader resolves `current` once and opens files inside. The key and
its chain are one file, so that nothing can pair an old key with a new certificate.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Dict, List

from wire import json_codec
from wire.messages import Trust
from wire.metadata import sha256
from wire.values import Value, replace
from zac.host import files as host_files
from zac.host.home import Damaged
from zac.trust import pem, trust

CURRENT = "current"
META = "meta.json"


class Generation(Value):
    """What this host trusts and, on a server, its key and chain in one PEM text."""

    trust: Trust
    server: str = ""

    def files(self) -> Dict[str, bytes]:
        """Return the files of this generation but meta.json."""
        made = {
            "ca.pem": "".join(trust.roots(self.trust)),
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
