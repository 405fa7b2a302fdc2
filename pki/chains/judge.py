"""Decide whether devices accept a server certificate, and what a CA can issue.

Import of certificates, upload of a CA, and the devices use the same rules, those of OpenSSL. The
rules of `server` and `paths` are narrower, and checked before. A fault names the first certificate,
from the root down, with which a test certificate is rejected.

See: D-160
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.certificates import loading
from pki.chains import copies, handshake
from pki.chains.loaded import Loaded
from pki.chains.paths import Path
from pki.errors import BadChain
from pki.escaping import escape_text
from pki.names import Names, parse_host

NAME_CONSTRAINTS = frozenset((47, 48, 49, 51, 52, 53))
_KEY_IDENTIFIERS = frozenset((2, 20, 21, 29, 30, 31))
_MAX_NAMES = 200  # in one test certificate

_CHANGE_CA = gettext_noop("Ask the CA to issue the certificate again without this problem.")
_EXPLANATIONS: dict[int, tuple[str, str]] = {
    **dict.fromkeys(
        _KEY_IDENTIFIERS,
        (
            gettext_noop("the authority key identifier of {found} does not match its issuer"),
            gettext_noop(
                "Ask the CA to issue the certificate again with the key identifier of its issuer."
            ),
        ),
    ),
    **dict.fromkeys(
        (24, 26, 32, 79),
        (
            gettext_noop(
                "{found} cannot be used for server certificates. Its extended key usage does not "
                "include serverAuth, or its type or key usage does not allow it"
            ),
            gettext_noop("Use a CA that can issue server certificates."),
        ),
    ),
    **dict.fromkeys(
        (34, 41, 42),
        (
            gettext_noop("{found} contains a critical extension that devices do not support"),
            _CHANGE_CA,
        ),
    ),
    **dict.fromkeys(
        (47, 48),
        (
            gettext_noop("the name constraints of {found} do not allow {host}"),
            gettext_noop("Use a CA that can issue certificates for all servers of the zone."),
        ),
    ),
    **dict.fromkeys(
        (49, 51, 52, 53),
        (gettext_noop("{found} contains name constraints that devices do not support"), _CHANGE_CA),
    ),
    7: (gettext_noop("the signature of {found} is not valid"), _CHANGE_CA),
    22: (
        gettext_noop("the chain has too many certificates"),
        gettext_noop("Use a CA with fewer intermediate CAs."),
    ),
    25: (
        gettext_noop("a path length constraint does not allow {found}"),
        gettext_noop("Ask the CA for a chain without this limit."),
    ),
    62: (
        gettext_noop("{found} does not cover {host}"),
        gettext_noop(
            "Request a certificate that includes the name as a DNS subject alternative name."
        ),
    ),
    64: (
        gettext_noop("{found} does not cover {host}"),
        gettext_noop(
            "Request a certificate that includes the address as an IP subject alternative name."
        ),
    ),
    **dict.fromkeys(
        (66, 67),
        (gettext_noop("the key of {found} is too short"), gettext_noop("Use a longer key.")),
    ),
    68: (
        gettext_noop("{found} is signed with an algorithm that is too weak"),
        gettext_noop(
            "Ask the CA for a certificate that is signed with SHA-256, SHA-384, or SHA-512."
        ),
    ),
}
_OTHER = (
    gettext_noop("{found} is not valid for them (OpenSSL verification error {code})"),
    _CHANGE_CA,
)
_UNREADABLE = (gettext_noop("{found} is encoded in a way that they do not support"), _CHANGE_CA)


def check_server(path: Path, root: Loaded, host: str) -> None:
    """Raise BadChain unless a device that connects to `host` accepts the chain, without dates."""
    is_rsa = loading.is_rsa(path[0].certificate.public_key())
    chain = [found.der for found in path]
    code = handshake.verify(chain, root=root.pem, host=host, is_rsa=is_rsa)
    if code == handshake.ACCEPTED:
        return
    authorities = [root, *reversed(path[1:])]
    _check(authorities, host, _test)
    _check(authorities, host, _build_name_test([host]))
    raise _build_fault(code, path[0], host)


def check_authority(path: Path, root: Loaded) -> None:
    """Raise BadChain unless devices accept certificates issued by the first CA of the path.

    The path is empty for the root itself. Names and dates are ignored.
    """
    _check([root, *reversed(path)], "the servers", _test)


def check_names(path: Path, root: Loaded, hosts: Sequence[str]) -> None:
    """Raise BadChain unless the first CA of the path can issue certificates for all hosts."""
    authorities = [root, *reversed(path)]
    for at in range(0, len(hosts), _MAX_NAMES):
        host = _find_forbidden(authorities, hosts[at : at + _MAX_NAMES])
        if host:
            _check(authorities, host, _build_name_test([host]))


def _find_forbidden(authorities: list[Loaded], hosts: Sequence[str]) -> str:
    """Return the first host that a certificate of the last CA cannot contain, or ""."""
    if not hosts or not _build_name_test(hosts)(authorities):
        return ""
    if len(hosts) == 1:
        return hosts[0]
    middle = len(hosts) // 2
    return _find_forbidden(authorities, hosts[:middle]) or _find_forbidden(
        authorities, hosts[middle:]
    )


def _build_name_test(hosts: Sequence[str]) -> Callable[[list[Loaded]], int]:
    return partial(_test, names=_to_names(hosts), only=NAME_CONSTRAINTS)


def _to_names(hosts: Sequence[str]) -> Names:
    parsed = [(host, parse_host(host)) for host in hosts]
    return Names(
        dns=tuple(found for _host, found in parsed if isinstance(found, str)),
        addresses=tuple(host for host, found in parsed if not isinstance(found, str)),
    )


def _check(authorities: list[Loaded], host: str, test: Callable[[list[Loaded]], int]) -> None:
    """Raise BadChain if a test of the CA certificates fails, root first, and name the first one.

    If the test fails for some certificates, it fails for these and the ones below them, too.
    """
    if not test(authorities):
        return
    lengths = range(1, len(authorities) + 1)
    at = bisect_left(lengths, 1, key=lambda length: test(authorities[:length]) != 0)
    rejected = authorities[: lengths[at]]
    raise _build_fault(test(rejected), rejected[-1], host)


def _test(
    authorities: list[Loaded], names: Names | None = None, only: frozenset[int] | None = None
) -> int:
    """Return the error with which devices reject a test certificate of the last CA, or 0.

    With `only`, other errors are ignored.
    """
    chain, root = copies.build_test_chain([found.der for found in authorities], names)
    code = handshake.verify(chain, root=root, host=None, is_rsa=False)
    return 0 if only is not None and code not in only else code


def _build_fault(code: int, found: Loaded, host: str) -> BadChain:
    default = _UNREADABLE if code == handshake.UNREADABLE else _OTHER
    explanation, action = _EXPLANATIONS.get(code, default)
    reason = _(explanation).format(found=found, host=escape_text(host, 255), code=code)
    return BadChain(
        _("Devices would reject the certificate: %(reason)s.") % {"reason": reason},
        action=_(action),
    )
