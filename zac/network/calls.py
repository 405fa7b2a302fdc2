"""Signed calls to the zone: one Primary Server after another, until one answers."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import Any, Callable, ContextManager, List, Optional, Type, TypeVar, Union

from faults import Fault, Kind
from wire import authentication, json_codec
from wire.messages import PRIMARY, Problem, ServerAddress
from zac.host.home import NotRegistered
from zac.host.host import Host
from zac.network.tls import Answer, Line, Refused, Unreachable

T = TypeVar("T")
Body = Union[Any, Callable[[Line], Any]]


class NoServer(Fault):
    """No server of the zone can be reached."""

    kind = Kind.UNAVAILABLE
    action = "Check the network. The agent tries again by itself."


class NoneVerifies(Fault):
    """Servers answer, but none shows a certificate this device accepts."""

    kind = Kind.UNAVAILABLE
    action = "Run: zac recover, or the Certificate Remint Tool of the last update."


class Rejected(Fault):
    """The console understood the call and declined it."""


class Busy(Fault):
    """The console answers but cannot serve the call now."""

    kind = Kind.UNAVAILABLE
    action = "The agent tries again by itself."


def get(host: Host, path: str, shape: Type[T], *, anyone: bool = False) -> Optional[T]:
    """Ask the zone; None if there is no such thing (404).

    `anyone` also takes an answer over TLS that does not verify: only for what is checked against
    the zone key or a signed root anyway, under a CA that has expired (Immediate, D-23).
    """
    answer = _ask(host, "GET", path, None, anyone=anyone)
    return None if answer.status == HTTPStatus.NOT_FOUND else json_codec.load(shape, answer.body)


def post(host: Host, path: str, body: Body, shape: Type[T]) -> T:
    """Tell the zone something and read the answer; `body` may be made from the open line."""
    answer = _ask(host, "POST", path, body)
    if answer.status == HTTPStatus.NOT_FOUND:
        raise _problem(answer)
    return json_codec.load(shape, answer.body)


def tell(host: Host, path: str, body: Body, *, anyone: bool = False) -> None:
    """Tell the zone something public; its answer is of no interest (`anyone`: see get)."""
    answer = _ask(host, "POST", path, body, anyone=anyone)
    if answer.status == HTTPStatus.NOT_FOUND:
        raise _problem(answer)


def primaries(host: Host) -> List[ServerAddress]:
    """Return the servers that answer calls: the registered one first, the rest spread by device."""
    device, known = host.device, host.home.known()
    found = [one for one in known.servers if one.role == PRIMARY and one.url]
    if not any(one.url == device.url for one in found) and device.url:
        found.append(ServerAddress("", device.url, "", PRIMARY, url=device.url))

    def rank(server: ServerAddress) -> Any:
        spread = hashlib.sha256((device.id + server.url).encode()).hexdigest()
        return (server.url != device.url, spread)

    return sorted(found, key=rank)


def worst(faults: List[Fault]) -> Fault:
    """Return the one fault that says most about why no server could be used."""
    for fault in faults:
        if isinstance(fault, Busy):
            return fault
    refused = [fault for fault in faults if isinstance(fault, Refused)]
    if refused:
        return NoneVerifies("No server's certificate is accepted. %s" % refused[0].explanation)
    details = " ".join(fault.explanation for fault in faults)
    return NoServer("No server of the zone answers. %s" % details)


def _ask(host: Host, method: str, path: str, body: Body, *, anyone: bool = False) -> Answer:
    faults: List[Fault] = []
    ways = [(server, host.contact(server)) for server in primaries(host)]
    if anyone:
        ways += [(server, host.transport.unverified(server.url)) for server in primaries(host)]
    for server, way in ways:
        try:
            answer = _one(host, way, method, path, body)
        except (Unreachable, Refused) as fault:
            faults.append(fault)
            continue
        if answer.status in (429, 500, 502, 503, 504):
            faults.append(Busy("%s is busy (%d)." % (server.name, answer.status)))
            continue
        return _checked(host, answer)
    raise worst(faults)


def _one(host: Host, way: ContextManager[Line], method: str, path: str, body: Body) -> Answer:
    device = host.device
    with way as line:
        made = body(line) if callable(body) else body
        data = b"" if made is None else json_codec.dump(made)
        credentials = authentication.sign(
            device.secret,
            device=device.id,
            counter=host.home.next_counter(),
            method=method,
            path=path,
            body=data,
        )
        return line.send(method, path, data, {"Authorization": credentials.header()})


def _checked(host: Host, answer: Answer) -> Answer:
    if answer.status == HTTPStatus.UNAUTHORIZED:
        problem = _problem(answer)
        host.note("unauthenticated", detail=problem.explanation)
        raise NotRegistered(problem.explanation)
    if answer.status < HTTPStatus.MULTIPLE_CHOICES or answer.status == HTTPStatus.NOT_FOUND:
        return answer
    raise _problem(answer)


def _problem(answer: Answer) -> Rejected:
    try:
        told = json_codec.load(Problem, answer.body)
    except json_codec.Malformed:
        told = Problem("The server answered %d." % answer.status, answer.status)
    return Rejected(told.detail or told.title, action=told.action)
