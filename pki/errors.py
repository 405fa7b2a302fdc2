"""Errors of the `pki` package."""

from __future__ import annotations

from faults import Fault, Kind
from faults.texts import gettext_noop


class PkiFault(Fault):
    """Base class of the errors about keys, certificates, and encrypted secrets."""

    kind = Kind.INVALID


class WeakKey(PkiFault):
    """The key policy does not allow the type or length of the key (docs/decisions.md D-9)."""

    action = gettext_noop(
        "Use an RSA key of 2048, 3072, or 4096 bits, or an EC key on curve P-256 or P-384."
    )


class BadName(PkiFault):
    """A subject, DNS name, or IP address is malformed."""


class BadNetwork(BadName):
    """A network is malformed, or contains all addresses."""

    action = gettext_noop(
        "Enter a network in CIDR notation, for example 10.1.0.0/16 or 2001:db8::/48."
    )


class BadRequest(PkiFault):
    """A CSR cannot be parsed, or does not prove possession of its private key."""

    action = gettext_noop("Generate the CSR again.")


class BadCertificate(PkiFault):
    """A certificate cannot be parsed, or is not suitable for its purpose."""


class BadBundle(PkiFault):
    """A file does not contain certificates, or they cannot be parsed."""

    action = gettext_noop("Select a certificate file: .pem, .cer, .crt, .cert, .der, or .p7b.")


class HasPrivateKey(BadBundle):
    """A certificate file also contains a private key."""

    action = gettext_noop(
        "Remove the private key from the file and try again. Treat the key as compromised."
    )


class BadChain(PkiFault):
    """The certificates do not form a chain to the root."""


class WrongKey(PkiFault):
    """A key does not match a certificate."""


class WrongName(PkiFault):
    """A certificate does not contain a required name."""


class NotIssued(PkiFault):
    """The certificate would violate the certificate profile and was not issued."""


class NotPermitted(NotIssued):
    """The name constraints of a CA do not permit a name."""

    action = gettext_noop(
        "Remove the name, or use Remint CA with name constraints that permit it. Then try again."
    )


class CannotSign(PkiFault):
    """The CA key or its certificate failed the self-check. Signing is disabled."""

    kind = Kind.UNAVAILABLE
    action = gettext_noop("Restore the CA from a backup, or remint it.")


class CannotOpen(PkiFault):
    """A secret or a backup cannot be decrypted with the given key or passphrase."""


class BadBackup(CannotOpen):
    """The file is not a CA backup."""

    action = gettext_noop("Select a file that was created with Backup CA.")


class UnreadableBackup(PkiFault):
    """A CA backup was not created, because it could not be restored."""

    kind = Kind.REFUSED
    action = gettext_noop("Use backups of the zone. They contain the CA key, too.")


class WeakPassphrase(PkiFault):
    """The passphrase is too easy to guess."""

    action = gettext_noop("Choose a longer, less common passphrase.")


class UnsafeFile(PkiFault):
    """A private file is missing, or users other than its owner can access it."""

    kind = Kind.UNAVAILABLE
