"""How often one address may knock: strangers may be many, and some of them guess (S-69).

Each web process counts for itself, in memory: no request waits for a broker or the database.
What a registered device signs is not counted here; its counter and its MAC are checked instead.
"""

from __future__ import annotations

from functools import lru_cache

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from faults import TooMany

# A greeting costs a signature with the zone key; a fleet behind one address may greet at once.
GREETINGS = RateLimitItemPerMinute(1200, namespace="greeting")
# A wrong key or MAC is a mistake or a guess; twenty mistakes a minute are no mistake.
REFUSALS = RateLimitItemPerMinute(20, namespace="refusal")


@lru_cache(maxsize=1)
def _limiter() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())


def count(limit: RateLimitItem, address: str) -> None:
    """Count one more from an address."""
    _limiter().hit(limit, address)


def check(limit: RateLimitItem, address: str) -> None:
    """Raise TooMany while an address has used up what it may in this minute."""
    if not _limiter().test(limit, address):
        raise TooMany(
            "Too many attempts from this address. Nothing was done.",
            action="Wait a minute, and check registration key and address of the device.",
        )


def forget() -> None:
    """Forget what was counted."""
    _limiter.cache_clear()
