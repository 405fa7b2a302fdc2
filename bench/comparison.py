"""P-3: signing rate compared with django-ca for the same CSRs.

django-ca is installed into an environment of its own for the time of the benchmark; in
ZCC_BENCH_DJANGO_CA another interpreter can be named that has it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import signing
from bench import zone as bench_zone
from bench.results import Row, tell
from zcc.runtime.components import BASE_DIR

VERSION = "3.2.0"
SCRIPT = Path(__file__).with_name("peer.py")


def interpreter(home: Path) -> str:
    """Return the path of a Python interpreter with django-ca."""
    given = os.environ.get("ZCC_BENCH_DJANGO_CA", "")
    if given:
        return given
    uv, python = str(BASE_DIR / "scripts" / "uv"), str(home / "peer" / "bin" / "python")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(home / "peer")], check=True)
    package = f"django-ca=={VERSION}"
    subprocess.run([uv, "pip", "install", "-q", "--python", python, package], check=True)
    return python


def ours(authority: Any) -> float:
    """Return the CPU seconds to sign and store all pending CSRs."""
    from django.utils import timezone

    signing.again(authority)
    return bench_zone.cpu(lambda: signing.sign_all(authority, timezone.now()))


def compare(python: str, home: Path, futures: list[Any], key: str, least: float) -> None:
    """Report the ratio of both rates for one kind of CA key; ZCC is measured before and after."""
    from certificates.models import FutureCertificate

    authority, _ = signing.with_ca({"EC": 256, "RSA": 4096}[key])
    FutureCertificate.objects.all().update(authority=authority)
    requests = home / "requests.pem"
    requests.write_text("\n".join(future.csr_pem for future in futures).strip())
    taken = [ours(authority), ours(authority)]
    line = [python, str(SCRIPT), str(home), str(requests), key]
    said = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout
    taken += [ours(authority), ours(authority)]
    product, peer = min(taken) / len(futures) * 1000, float(said.split()[-1])
    what = f"signed and stored certificates, {key} CA: our rate / that of django-ca {VERSION}"
    told = {"product_ms": product, "peer_ms": peer, "certificates": float(len(futures))}
    tell(Row("P-3", what, peer / product, least, detail=told))


def main() -> None:
    """Measure P-3."""
    home = bench_zone.enter()
    from certificates.models import FutureCertificate
    from tests.support import zone as support_zone

    support_zone.found(home / "ps-01")
    python = interpreter(home)
    futures = signing.requests(bench_zone.size("PEER_CERTIFICATES", 500))
    authority, _ = signing.with_ca(256)
    signing.store(futures, authority)
    compare(python, home, futures, "EC", 4.0)
    few = futures[:20]
    FutureCertificate.objects.exclude(pk__in=[future.pk for future in few]).delete()
    compare(python, home, few, "RSA", 20.0)


if __name__ == "__main__":
    main()
