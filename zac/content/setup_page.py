"""The page /zenworks-setup of a content server, for devices that no longer verify TLS.

Signatures and checksums are files beside each download. The page shows the checksums, but plain
HTTP does not protect them, so it says where to compare them.
"""

from __future__ import annotations

import html
import os
import re
from typing import Dict, List

CHECKSUM = ".sha256"
COMPANIONS = (CHECKSUM, ".sig", ".sig2")
DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_CHECKSUM_SIZE = 512

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Agent and Certificate Remint Tool</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 1rem auto; padding: 0 1rem }
code { overflow-wrap: anywhere }
</style></head>
<body><main><h1>Agent and Certificate Remint Tool</h1>
<p>Use the Certificate Remint Tool on a device that has lost contact because it missed a certificate
update. Run it as root, for example <code>sudo sh FILE</code>. It verifies its content with the zone
key. Use the file without an ID in its name, which is the tool of the newest update, unless an
administrator has named a different one.</p>
<p>HTTP does not protect this page. Before you run a file, compare its SHA-256 digest with the one
in the console: System Updates &gt; Content and Remint Tool.</p>
%s
</main></body></html>
"""
FILE = """<section><h2><a href="/zenworks-setup/%(name)s">%(name)s</a></h2>
<p>SHA-256: %(digest)s</p>
<p>%(links)s</p></section>
"""
LINK = '<a href="/zenworks-setup/%(name)s">%(name)s</a>'
NOTHING = "<p>This server has no files to download yet.</p>"


def build_page(folder: str, names: List[str]) -> bytes:
    """Return the page for the files with these names in a folder."""
    files = [name for name in names if not name.endswith(COMPANIONS)]
    digests = {name: _read_digest(os.path.join(folder, name + CHECKSUM)) for name in files}
    shown = [_describe(name, digests[name], names) for name in files if not _is_copy(name, digests)]
    return (PAGE % ("".join(shown) or NOTHING)).encode()


def _is_copy(name: str, digests: Dict[str, str]) -> bool:
    """Return True if the same file is listed under a shorter name."""
    same = [other for other, digest in digests.items() if digest and digest == digests[name]]
    return any(len(other) < len(name) for other in same)


def _describe(name: str, digest: str, names: List[str]) -> str:
    links = [LINK % {"name": html.escape(name + end)} for end in COMPANIONS if name + end in names]
    return FILE % {
        "name": html.escape(name),
        "digest": "<code>%s</code>" % digest if digest else "<em>not available</em>",
        "links": " ".join(links),
    }


def _read_digest(path: str) -> str:
    """Return the digest of a checksum file, "" if there is none."""
    try:
        with open(path, encoding="ascii") as file:
            found = DIGEST.match(file.read(MAX_CHECKSUM_SIZE))
    except (OSError, ValueError):
        return ""
    return found.group() if found else ""
