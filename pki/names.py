"""Subjects and subject alternative names as plain values (RFC 4514, RFC 5280, RFC 9525)."""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from faults.texts import gettext as _
from faults.texts import gettext_noop
from pki.errors import BadName
from pki.escaping import escape_text

MAX_TEXT = 64  # X.520 upper bounds; docs/decisions.md D-3
MAX_DNS_NAME = 253

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# A DNS name that is valid without further checks: lower case, no IDN, no numeric last label.
_PLAIN = re.compile(
    r"(?!.{254})(?!.*xn--)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*"
    r"(?=[a-z0-9-]*[a-z])[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_WRONG_COUNTRY = re.compile(r"(?:^|[,+])\s*C\s*=\s*(?![A-Za-z]{2}\s*(?:[,+]|$))", re.IGNORECASE)
_COUNTRY_RULE = gettext_noop("The country must be a two-letter code, for example US.")
_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")
# IDNA 2003, which Python implements, and IDNA 2008 encode these characters differently.
_DEVIATIONS = frozenset("\u00df\u03c2\u200c\u200d")

# Field of Subject, OID, and label, in the order of the encoded name.
_ATTRIBUTES = (
    ("country", NameOID.COUNTRY_NAME, gettext_noop("Country")),
    ("state", NameOID.STATE_OR_PROVINCE_NAME, gettext_noop("State")),
    ("locality", NameOID.LOCALITY_NAME, gettext_noop("Locality")),
    ("organization", NameOID.ORGANIZATION_NAME, gettext_noop("Organization")),
    ("organizational_unit", NameOID.ORGANIZATIONAL_UNIT_NAME, gettext_noop("Organizational unit")),
    ("serial_number", NameOID.SERIAL_NUMBER, gettext_noop("Serial number")),
    ("common_name", NameOID.COMMON_NAME, gettext_noop("Common name")),
)
_FIELDS = {oid: field for field, oid, _label in _ATTRIBUTES}
_LABELS = {field: label for field, _oid, label in _ATTRIBUTES}
_READ = {"SERIALNUMBER": NameOID.SERIAL_NUMBER, "serialNumber": NameOID.SERIAL_NUMBER}
_WRITE = {NameOID.SERIAL_NUMBER: "serialNumber"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Subject:
    """A distinguished name. The constructor raises BadName if a value is not valid.

    `serial_number` distinguishes CAs with the same name. It is not the serial number of a
    certificate.
    """

    common_name: str
    organization: str = ""
    organizational_unit: str = ""
    locality: str = ""
    state: str = ""
    country: str = ""
    serial_number: str = ""

    def __post_init__(self) -> None:
        for field in _LABELS:
            value = getattr(self, field)
            if value:
                _check_text(field, value)
        if not self.common_name.strip():
            raise BadName(_("The common name is missing."), field="common_name")
        if self.country and not _COUNTRY.fullmatch(self.country):
            raise BadName(_(_COUNTRY_RULE), field="country")
        if not _PRINTABLE.fullmatch(self.serial_number):
            raise BadName(_("The serial number contains characters that are not allowed."))

    @classmethod
    def parse(cls, text: str) -> Subject:
        """Return the subject of a common name or an RFC 4514 name such as `CN=Zone,O=Example`."""
        text = text.strip()
        if not re.match(r"[A-Za-z][A-Za-z0-9-]*\s*=|[0-9.]+\s*=", text):
            return cls(common_name=text)
        try:
            name = x509.Name.from_rfc4514_string(text, _READ)
        except ValueError as error:
            if _WRONG_COUNTRY.search(text):
                raise BadName(_(_COUNTRY_RULE), field="country") from error
            raise BadName(
                _("The subject %(text)s is not a valid distinguished name: %(error)s")
                % {"text": _quote(text), "error": _describe_error(error)},
                action=_(
                    "Enter a common name, or a distinguished name such as CN=Zone,O=Example,C=US."
                ),
                field="subject",
            ) from error
        return cls(**_parse_fields(name))

    def text(self) -> str:
        """Return the name as RFC 4514 text."""
        return self.to_name().rfc4514_string(_WRITE)

    def to_name(self) -> x509.Name:
        """Return the name as an object of `cryptography`. For use inside `pki` only."""
        values = ((oid, getattr(self, field)) for field, oid, _label in _ATTRIBUTES)
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in values if value])


@dataclass(frozen=True)
class Names:
    """The DNS names and IP addresses of a server, as text."""

    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@functools.lru_cache(maxsize=1024)
def check_dns_name(name: str, *, wildcard: bool = False) -> str:
    """Return a DNS name in lower case, as A-labels, without a final dot, or raise BadName.

    With `wildcard`, the leftmost label can be `*` if at least two labels follow (D-12).
    """
    if _PLAIN.fullmatch(name):
        return name
    plain = _to_ascii(name.strip().rstrip(".") if name.strip() != "." else "")
    host = plain
    if wildcard and plain.startswith("*."):
        host = plain[2:]
        if "." not in host:
            raise _bad(_("The wildcard %(name)s needs two labels after the asterisk."), name)
    labels = host.split(".")
    if len(plain) > MAX_DNS_NAME:
        raise BadName(_("A DNS name can have up to %(max)s characters.") % {"max": MAX_DNS_NAME})
    for label in labels:
        _check_label(label, name)
    if labels[-1].isdigit():
        raise _bad(_("%(name)s looks like an IP address and is not a DNS name."), name)
    return plain


def check_fqdn(name: str) -> str:
    """Return a normalized FQDN, or raise BadName, also for a name without a domain (D-11)."""
    plain = check_dns_name(name)
    if "." not in plain:
        raise BadName(
            _("%(name)s is not a fully qualified domain name.") % {"name": _quote(name)},
            action=_("Enter the fully qualified domain name, for example server.example.com."),
        )
    return plain


@functools.lru_cache(maxsize=1024)
def check_address(address: str) -> str:
    """Return an IP address as canonical text, or raise BadName."""
    return str(parse_address(address))


@functools.lru_cache(maxsize=1024)
def parse_address(address: str) -> Address:
    """Return an IP address as an object, or raise BadName."""
    try:
        found = ipaddress.ip_address(address.strip())
    except ValueError as error:
        raise _bad(_("%(name)s is not a valid IP address."), address) from error
    if isinstance(found, ipaddress.IPv6Address) and found.scope_id:
        raise _bad(
            _("%(name)s contains a zone index, which is not allowed in a certificate."), address
        )
    return found


def parse_host(host: str) -> str | Address:
    """Return a host as an IP address object or a normalized DNS name, or raise BadName."""
    try:
        return parse_address(host)
    except BadName:
        return check_dns_name(host)


def check_names(names: Names, *, wildcard: bool = False) -> Names:
    """Return the names normalized and without duplicates, or raise BadName."""
    dns = dict.fromkeys([check_dns_name(name, wildcard=wildcard) for name in names.dns])
    addresses = dict.fromkeys([check_address(address) for address in names.addresses])
    return Names(dns=tuple(dns), addresses=tuple(addresses))


def covers(names: Names, host: str) -> bool:
    """Return True if the names match a host: a wildcard for one label (RFC 9525), no final dot."""
    try:
        wanted = check_address(host)
    except BadName:
        return _covers_dns(names, host)
    return wanted in {_normalize_address(address) for address in names.addresses}


def format_name(name: x509.Name) -> str:
    """Return a name as RFC 4514 text. It is not escaped. For use inside `pki` only."""
    return name.rfc4514_string(_WRITE)


def _covers_dns(names: Names, host: str) -> bool:
    try:
        wanted = check_dns_name(host)
    except BadName:
        return False
    parent = "*." + wanted.partition(".")[2]
    offered = {name.lower() for name in names.dns}
    return wanted in offered or (parent in offered and parent.count(".") > 1)


def _normalize_address(address: str) -> str:
    try:
        return check_address(address)
    except BadName:
        return ""


def _to_ascii(name: str) -> str:
    if name.isascii():
        return name.lower()
    if _DEVIATIONS & set(name):
        raise BadName(
            _("The DNS name %(name)s contains a character with an ambiguous encoding.")
            % {"name": _quote(name)},
            action=_("Enter the name in ASCII (punycode) form: xn--..."),
        )
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _bad(_("%(name)s is not a valid DNS name."), name) from error


def _check_label(label: str, name: str) -> None:
    if "_" in label:
        raise _bad(_("The DNS name %(name)s contains an underscore, which is not allowed."), name)
    if not _LABEL.fullmatch(label):
        raise _bad(_("%(name)s is not a valid DNS name."), name)
    if label.startswith("xn--"):
        try:
            label.encode("ascii").decode("idna")
        except UnicodeError as error:
            raise _bad(_("%(name)s has a malformed international label."), name) from error


def _check_text(field: str, value: str) -> None:
    label = _(_LABELS[field])
    if _has_control_characters(value):
        raise BadName(_("%s: control characters are not allowed.") % label, field=field)
    # The library counts UTF-8 octets, which is stricter than X.520.
    if len(value.encode("utf-8")) > MAX_TEXT:
        raise BadName(
            _("%(label)s: up to %(max)s characters are allowed (fewer if they are not ASCII).")
            % {"label": label, "max": MAX_TEXT},
            field=field,
        )
    if value != value.strip():
        raise BadName(_("%s: remove the space at the beginning or end.") % label, field=field)


def _has_control_characters(value: str) -> bool:
    """Return True if a text contains control or format characters."""
    if value.isascii() and value.isprintable():
        return False
    return any(unicodedata.category(char)[0] == "C" for char in value)


def _parse_fields(name: x509.Name) -> dict[str, str]:
    values: dict[str, str] = {}
    for rdn in name.rdns:
        for attribute in rdn:
            field = _FIELDS.get(attribute.oid)
            if field is None or field in values or len(list(rdn)) > 1:
                raise BadName(
                    _(
                        "The subject contains an attribute that is duplicated, multivalued, or not "
                        "supported."
                    ),
                    action=_("Use CN, O, OU, L, ST, and C, each no more than once."),
                    field="subject",
                )
            values[field] = str(attribute.value)
    return {"common_name": "", **values}


def _describe_error(error: ValueError) -> str:
    """Return the error text of the library, which is empty for a truncated name."""
    return escape_text(str(error), 200).rstrip(".") + "." if str(error) else _("it is incomplete.")


def _bad(text: str, name: str) -> BadName:
    return BadName(text % {"name": _quote(name)})


def _quote(text: str) -> str:
    return f'"{escape_text(text, 80)}"'
