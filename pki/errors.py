"""What can be wrong with keys, names, requests, certificates, chains and sealed blobs."""

from __future__ import annotations

from faults import Fault, Kind


class PkiFault(Fault):
    """Something about a key, a certificate or a sealed blob is not as it must be."""

    kind = Kind.INVALID


class WeakKey(PkiFault):
    """The key is of a kind or length that the key policy refuses (docs/decisions.md D-9)."""

    action = "Use an RSA key of 2048, 3072 or 4096 bits, or an EC key on P-256 or P-384."


class BadName(PkiFault):
    """A subject, DNS name or address is not well formed."""


class BadRequest(PkiFault):
    """A certification request cannot be read, or does not prove possession of its key."""

    action = "Generate the CSR again."


class BadCertificate(PkiFault):
    """A certificate cannot be read, or is not fit for what it is to do."""


class BadBundle(PkiFault):
    """A file does not hold certificates that can be read."""

    action = "Choose a file with certificates: .pem, .cer, .crt, .cert, .der or .p7b."


class HasPrivateKey(BadBundle):
    """A file that should hold certificates only has a private key in it."""

    action = "Remove the private key from the file and try again. Treat the key as disclosed."


class BadChain(PkiFault):
    """Certificates do not form a chain up to the root."""


class WrongKey(PkiFault):
    """A key and a certificate do not belong together."""


class WrongName(PkiFault):
    """A certificate does not cover a name that it must cover."""


class NotIssued(PkiFault):
    """What was to be signed breaks the profile: nothing was signed."""


class CannotSign(PkiFault):
    """The CA key and its certificate failed their self-check: signing is off."""

    kind = Kind.UNAVAILABLE
    action = "Restore the CA from a backup, or remint it."


class CannotOpen(PkiFault):
    """A sealed blob or a backup cannot be opened with what was given."""


class BadBackup(CannotOpen):
    """A file is not a CA backup at all."""

    action = "Choose a file that Backup CA has made."


class WeakPassphrase(PkiFault):
    """A passphrase is too easy to guess."""

    action = "Choose a longer, less common passphrase."


class UnsafeFile(PkiFault):
    """A private file is missing, or others than its owner could read or write it."""

    kind = Kind.UNAVAILABLE
