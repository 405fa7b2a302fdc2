"""Check that all parts of a certificate can be parsed, and say which one cannot.

A certificate is parsed once completely when its file is read, so that errors do not occur later.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.errors import BadBundle
from pki.escaping import escape_text
from pki.formats import ber
from pki.names import format_name

_ACTION = gettext_noop("Ask the CA to issue this certificate again.")
_PUBLIC_KEY_PARTS = 2
_CRL_TIMES = (0x17, 0x18)  # UTCTime and GeneralizedTime


def check(der: bytes, number: int) -> None:
    """Raise BadBundle with the number, subject, and reason if a part cannot be parsed."""
    try:
        certificate = x509.load_der_x509_certificate(der)
    except Exception as error:
        raise BadBundle(
            _("Certificate %(number)s in the file cannot be parsed. %(reason)s")
            % {"number": number, "reason": _identify(der)}
        ) from error
    for reason, read in _PARTS:
        try:
            read(certificate)
        except x509.DuplicateExtension as error:
            twice = _("It contains the extension %(oid)s twice.") % {"oid": error.oid.dotted_string}
            raise _build_fault(certificate, number, twice) from error
        except Exception as error:
            raise _build_fault(certificate, number, _(reason)) from error
    if certificate.serial_number < 0:
        raise _build_fault(certificate, number, _("Its serial number is negative."))


def _read_names(certificate: x509.Certificate) -> None:
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514_string()


def _read_extensions(certificate: x509.Certificate) -> None:
    for found in certificate.extensions:
        repr(found)


_PARTS: tuple[tuple[str, Callable[[x509.Certificate], object]], ...] = (
    (
        gettext_noop("Its version or serial number is not valid."),
        lambda c: (c.version, c.serial_number),
    ),
    (gettext_noop("Its subject or issuer is not valid."), _read_names),
    (
        gettext_noop("Its validity dates are not valid."),
        lambda c: (c.not_valid_before_utc, c.not_valid_after_utc),
    ),
    (gettext_noop("Its key type or curve is not supported."), lambda c: c.public_key()),
    (
        gettext_noop("Its signature algorithm is not supported."),
        lambda c: (c.signature_hash_algorithm, repr(c.signature_algorithm_oid)),
    ),
    (gettext_noop("One of its extensions is not valid."), _read_extensions),
)


def _build_fault(certificate: x509.Certificate, number: int, reason: str) -> BadBundle:
    try:
        subject = f' "{escape_text(format_name(certificate.subject), 200)}"'
    except Exception:  # the subject itself cannot be parsed
        subject = ""
    return BadBundle(
        _("Certificate %(number)s in the file%(subject)s cannot be parsed. %(reason)s")
        % {"number": number, "subject": subject, "reason": reason},
        action=_(_ACTION),
    )


def _identify(der: bytes) -> str:
    """Return what the data is if it is not a certificate."""
    try:
        parts = ber.parse(der)[0].children()
        inner = parts[0].children()
    except (ber.NotBer, IndexError):
        return _("It is damaged.")
    if len(parts) == _PUBLIC_KEY_PARTS:
        return _("It is a public key.")
    if any(part.tag in _CRL_TIMES for part in inner):
        return _("It is a certificate revocation list (CRL).")
    return _("Its structure is not valid.")
