"""P-17: time to verify the second signature of a document, compared with the first one.

Both are verified in pure Python, as on a managed device. `detail` has the time in milliseconds.
"""

from __future__ import annotations

from statistics import median
from time import process_time
from types import ModuleType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.results import Row, tell
from pki.protection import second_key
from wire.signatures import ed25519, slh_dsa

ROUNDS = 50
MESSAGE = b"x" * 4096


def measure(module: ModuleType, public: bytes, signature: bytes) -> float:
    """Return the median CPU time of a verification, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = process_time()
        assert module.verify(public, MESSAGE, signature)
        times.append(1000 * (process_time() - start))
    return median(times)


def main() -> None:
    """Measure and report."""
    first = Ed25519PrivateKey.generate()
    private = second_key.generate_second_key()
    start = process_time()
    signature = second_key.sign(private, MESSAGE)
    signing = 1000 * (process_time() - start)
    public = second_key._decode(private)[-slh_dsa.PUBLIC_LENGTH :]
    second_ms = measure(slh_dsa, public, signature)
    first_ms = measure(ed25519, first.public_key().public_bytes_raw(), first.sign(MESSAGE))
    tell(
        Row(
            "P-17",
            "SLH-DSA verification on a device, compared with Ed25519",
            second_ms / first_ms,
            most=1.5,
            detail={"slh_dsa_ms": second_ms, "ed25519_ms": first_ms, "signing_ms": signing},
        )
    )


if __name__ == "__main__":
    main()
