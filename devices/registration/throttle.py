"""Rate limits for unauthenticated calls of agents, by address.

Each web process counts in memory, so that no request needs the broker or the database. Signed
requests of registered devices are not limited.
"""

from __future__ import annotations

from functools import lru_cache

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from faults import TooMany

# Each request costs a signature, but many devices can share one address behind NAT.
IDENTITY_REQUESTS = RateLimitItemPerMinute(1200, namespace="identity")
# Registrations with an invalid key or MAC.
FAILED_REGISTRATIONS = RateLimitItemPerMinute(20, namespace="failed-registration")


@lru_cache(maxsize=1)
def _limiter() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())


def record(limit: RateLimitItem, address: str) -> None:
    """Count one request from an address."""
    _limiter().hit(limit, address)


def check(limit: RateLimitItem, address: str) -> None:
    """Raise TooMany if an address has reached the limit of this minute."""
    if not _limiter().test(limit, address):
        raise TooMany(
            ("Too many registration attempts from this address. Nothing was registered."),
            action=(
                "Wait a minute, check the registration key and the device address, then try again."
            ),
        )


def reset() -> None:
    """Clear all counts."""
    _limiter.cache_clear()
