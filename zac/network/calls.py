"""Signed calls to the zone. Primary Servers are tried in order until one responds."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import (
    Any,
    Callable,
    ContextManager,
    Generic,
    List,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
)

from faults import Fault, Kind
from wire import authentication, json_codec
from wire.messages import PRIMARY, Problem, ServerAddress
from wire.records import replace
from zac.host.home import NotRegistered
from zac.host.host import Host
from zac.network.errors import CertificateRejected, CertificateRevoked, ServerBusy, Unreachable
from zac.network.tls import BUSY, Connection, Response, busy

T = TypeVar("T")
Body = Union[Any, Callable[[Connection], Any]]


class NoServer(Fault):
    """No server of the zone responds."""

    kind = Kind.UNAVAILABLE
    action = "Check the network connection. The agent retries automatically."


class NoTrustedServer(Fault):
    """Servers respond, but this device accepts the certificate of none of them."""

    kind = Kind.UNAVAILABLE
    action = "Run zac recover, or run the Certificate Remint Tool for the most recent update."


class Rejected(Fault):
    """The console rejected the call."""


def get(
    host: Host,
    path: str,
    record_type: Type[T],
    *,
    allow_unverified: bool = False,
    previous_path: str = "",
) -> Optional[T]:
    """Return the response of the zone, None if it is 404 (not found).

    `allow_unverified` also accepts a response over unverified TLS. It is for data that is checked
    with the zone key or a signed root, when the current CA has expired (immediate activation).
    `previous_path` is the path of the call in the previous version of the console.

    See: D-23
    """
    response = _call(host, "GET", path, None, allow_unverified=allow_unverified)
    if previous_path and _is_unknown_path(response):
        response = _call(host, "GET", previous_path, None, allow_unverified=allow_unverified)
    return _load_unless_missing(record_type, response)


def get_with_trust(
    host: Host, path: str, record_type: Type[T], *, allow_unverified: bool
) -> Tuple[Optional[T], bool]:
    """Return what `get` returns, and True if the console is proven to have sent it."""
    response = _call(host, "GET", path, None, allow_unverified=allow_unverified)
    return _load_unless_missing(record_type, response), _is_from_console(host, response)


def _is_from_console(host: Host, response: Response) -> bool:
    """Return True if unsigned parts of a response can be used.

    Any server with a certificate of the zone can respond over verified TLS, but only a Primary
    Server can make the MAC. A console of the previous version makes none.
    """
    if response.is_authentic:
        return True
    return response.is_verified and not host.home.zone_cache().has_authentic_responses


def _load_unless_missing(record_type: Type[T], response: Response) -> Optional[T]:
    if response.status == HTTPStatus.NOT_FOUND:
        return None
    return json_codec.load(record_type, response.body)


class Answer(Generic[T]):
    """A parsed response. Its unsigned parts are used only if it `is_from_console`."""

    def __init__(self, message: T, *, is_from_console: bool, is_authentic: bool) -> None:
        self.message = message
        self.is_from_console = is_from_console
        self.is_authentic = is_authentic


def post(host: Host, path: str, body: Body, record_type: Type[T]) -> Answer[T]:
    """Send a message and return the response; `body` can be a function of the connection."""
    response = _call(host, "POST", path, body)
    if response.status == HTTPStatus.NOT_FOUND:
        raise rejection(response)
    return Answer(
        json_codec.load(record_type, response.body),
        is_from_console=_is_from_console(host, response),
        is_authentic=response.is_authentic,
    )


def send(
    host: Host,
    path: str,
    body: Body,
    *,
    allow_unverified: bool = False,
    previous_path: str = "",
) -> None:
    """Send a message and ignore the content of the response; see get for the options."""
    response = _call(host, "POST", path, body, allow_unverified=allow_unverified)
    if previous_path and _is_unknown_path(response):
        response = _call(host, "POST", previous_path, body, allow_unverified=allow_unverified)
    if response.status == HTTPStatus.NOT_FOUND:
        raise rejection(response)


def primaries(host: Host) -> List[ServerAddress]:
    """Return the Primary Servers: the registered one first, the others in an order by device.

    Servers that were unreachable within the last minute are last.
    """
    device, cache = host.device, host.home.zone_cache()
    servers = [server for server in cache.servers if server.role == PRIMARY and server.url]
    if device.url and not any(server.url == device.url for server in servers):
        servers.append(ServerAddress("", device.url, "", PRIMARY, url=device.url))

    def rank(server: ServerAddress) -> Any:
        spread = hashlib.sha256((device.id + server.url).encode()).hexdigest()
        return (host.is_unreachable(server.url), server.url != device.url, spread)

    return sorted(servers, key=rank)


def most_significant(faults: List[Fault]) -> Fault:
    """Return the fault that best explains why no server could be used."""
    for fault in faults:
        if isinstance(fault, ServerBusy):
            return fault
    rejected = [fault for fault in faults if isinstance(fault, CertificateRejected)]
    if rejected:
        is_revoked = all(isinstance(fault, CertificateRevoked) for fault in rejected)
        return NoTrustedServer(
            "The certificates of all servers failed verification. %s" % rejected[0].explanation,
            action=rejected[0].action if is_revoked else "",
        )
    details = " ".join(fault.explanation for fault in faults)
    return NoServer("No server in the zone is responding. %s" % details)


def _call(
    host: Host, method: str, path: str, body: Body, *, allow_unverified: bool = False
) -> Response:
    faults: List[Fault] = []
    connections = [(server, host.connect(server), True) for server in primaries(host)]
    if allow_unverified:
        connections += [
            (server, host.transport.unverified(server.url), False) for server in primaries(host)
        ]
    for server, connection, is_verified in connections:
        try:
            response = _send(host, connection, method, path, body)
        except (Unreachable, CertificateRejected) as fault:
            faults.append(fault)
            continue
        if response.status in BUSY:
            faults.append(busy(server.name, response))
            continue
        return replace(_checked(host, response), is_verified=is_verified)
    raise most_significant(faults)


def _send(
    host: Host, opened: ContextManager[Connection], method: str, path: str, body: Body
) -> Response:
    device = host.device
    with opened as connection:
        message = body(connection) if callable(body) else body
        data = b"" if message is None else json_codec.dump(message)
        credentials = authentication.sign(
            device.secret,
            device=device.id,
            counter=host.home.next_counter(),
            method=method,
            path=path,
            body=data,
        )
        response = connection.send(method, path, data, {"Authorization": credentials.header()})
    is_authentic = authentication.verify_response(
        device.secret,
        credentials.mac,
        status=response.status,
        body=response.body,
        response_mac=response.mac,
    )
    return replace(response, is_authentic=is_authentic)


def _is_unknown_path(response: Response) -> bool:
    """Return True for a 404 of a console that does not have the path at all.

    The problem documents of agent calls have types that begin with urn:zcc.
    """
    if response.status != HTTPStatus.NOT_FOUND:
        return False
    try:
        return not json_codec.load(Problem, response.body).type.startswith("urn:zcc:")
    except json_codec.Malformed:
        return True


def _checked(host: Host, response: Response) -> Response:
    if response.status == HTTPStatus.UNAUTHORIZED:
        problem = rejection(response)
        host.log_event("unauthenticated", detail=problem.explanation)
        raise NotRegistered(problem.explanation, action=problem.action)
    if response.status < HTTPStatus.MULTIPLE_CHOICES or response.status == HTTPStatus.NOT_FOUND:
        return response
    raise rejection(response)


def rejection(response: Response) -> Rejected:
    """Return the fault for an error response."""
    try:
        problem = json_codec.load(Problem, response.body)
    except json_codec.Malformed:
        problem = Problem("The server returned HTTP status %d." % response.status, response.status)
    return Rejected(problem.detail or problem.title, action=problem.action)
