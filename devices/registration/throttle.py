"""Rate limits for unauthenticated calls of agents, by address.

Each web process counts in memory, so that no request needs the broker or the database. Signed
requests of registered devices are not limited. Registrations with a valid key are not limited
either, so an attacker cannot keep the devices behind the same address from registering.
"""

from __future__ import annotations

from functools import lru_cache

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from faults import TooMany

# Each request costs a signature. The limit allows for thousands of devices behind one NAT address,
# and leaves most of the processor to other requests.
IDENTITY_REQUESTS = RateLimitItemPerMinute(6000, namespace="identity")
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
            retry_after=limit.get_expiry(),
        )


def reset() -> None:
    """Clear all counts."""
    _limiter.cache_clear()
