"""The TLS stacks of the host check a server: real programs, with a root that they accept or not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.pki import factories
from tests.zac.support.certificates import Root
from tests.zac.support.servers import free_port
from tests.zac.support.zone import ADDRESS
from wire.messages import ServerAddress
from wire.update_messages import PASSED, REJECTED, UNREACHABLE, StackResult
from zac.host import files, processes
from zac.host.host import Host
from zac.stacks import check, programs

STACKS = ("openssl", "openssl-strict", "gnutls", "curl", "nss", "java")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def serve(folder: Path, key_and_chain: str) -> ThreadingHTTPServer:
    path = folder / "server.pem"
    path.write_text(key_and_chain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    server = ThreadingHTTPServer((ADDRESS, 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def address_of(port: int) -> ServerAddress:
    return ServerAddress("s1", "s1", "", "primary", preflight_url=f"https://{ADDRESS}:{port}")


@pytest.fixture(scope="module")
def family() -> factories.Family:
    return factories.family()


@pytest.fixture
def port(tmp_path: Path, family: factories.Family) -> Iterator[int]:
    """Return the port of a server below an intermediate CA, with extensions as the console's."""
    own = factories.private(family.leaf_key)
    extensions = factories.server_extensions(own, family.middle_key, ADDRESS)
    leaf = factories.certificate(ADDRESS, own, "Ext Sub", family.middle_key, extensions)
    server = serve(tmp_path, family.leaf_key + leaf + family.middle)
    yield server.server_port
    server.shutdown()
    server.server_close()


def get_results(host: Host, port: int, root: str) -> dict[str, StackResult]:
    return {one.stack: one for one in check.check_server(host, address_of(port), root)}


def get_codes(host: Host, port: int, root: str) -> dict[str, str]:
    return {stack: one.code for stack, one in get_results(host, port, root).items()}


def test_all_stacks_accept_a_server_below_the_new_root(
    device: Host, port: int, family: factories.Family
) -> None:
    found = get_results(device, port, family.root)
    assert {stack: one.code for stack, one in found.items()} == dict.fromkeys(STACKS, PASSED)
    assert found["openssl"].version.count(".") == 2
    assert not Path(device.home.path_to(check.FOLDER)).exists()


def test_each_stack_rejects_another_root_and_says_why(device: Host, port: int) -> None:
    found = get_results(device, port, Root("Another CA").pem)
    assert {stack: one.code for stack, one in found.items()} == dict.fromkeys(STACKS, REJECTED)
    assert all(len(one.detail) > 10 and one.detail.isprintable() for one in found.values())


def test_only_the_strict_checks_reject_a_root_without_key_usage(
    device: Host, tmp_path: Path
) -> None:
    root = Root("Zone CA 2")
    server = serve(tmp_path, root.server(ADDRESS))
    found = get_results(device, server.server_port, root.pem)
    server.shutdown()
    server.server_close()
    rejected = {stack: one.detail for stack, one in found.items() if one.code == REJECTED}
    assert rejected == {"openssl-strict": "CA cert does not include key usage extension"}


def test_another_name_is_rejected_by_those_that_check_names(
    device: Host, tmp_path: Path, family: factories.Family
) -> None:
    server = serve(tmp_path, family.leaf_key + family.leaf + family.middle)
    codes = get_codes(device, server.server_port, family.root)
    server.shutdown()
    server.server_close()
    checks_names = {stack for stack, code in codes.items() if code == REJECTED}
    assert checks_names == {"openssl", "openssl-strict", "gnutls", "curl"}


def test_a_closed_port_is_not_a_rejection(device: Host) -> None:
    codes = get_codes(device, free_port(), Root("Zone CA 2").pem)
    assert codes == dict.fromkeys(("openssl", "openssl-strict", "gnutls", "curl"), UNREACHABLE)


def test_a_server_that_does_not_respond_is_not_waited_for(
    device: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "LIMIT_SECONDS", 0.5)
    with socket.create_server((ADDRESS, 0)) as listening:
        codes = get_codes(device, listening.getsockname()[1], Root("Zone CA 2").pem)
    assert codes == dict.fromkeys(("openssl", "openssl-strict", "gnutls", "curl"), UNREACHABLE)


def test_no_check_begins_after_the_time_of_all_checks(
    device: Host, port: int, family: factories.Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "TOTAL_SECONDS", 0.0)
    assert get_codes(device, port, family.root) == {}


@pytest.mark.parametrize(("selected", "names"), [("curl,gnutls", {"curl", "gnutls"}), ("", set())])
def test_stacks_can_be_selected(
    device: Host,
    port: int,
    family: factories.Family,
    monkeypatch: pytest.MonkeyPatch,
    selected: str,
    names: set[str],
) -> None:
    monkeypatch.setenv(check.SELECTED, selected)
    assert set(get_codes(device, port, family.root)) == names


def test_a_host_without_these_programs_has_no_results(
    device: Host, port: int, family: factories.Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PATH", "/nonexistent")
    assert get_codes(device, port, family.root) == {}


def test_a_program_that_cannot_run_is_neither_accepting_nor_rejecting(
    device: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Java does not start where a service must not create executable memory."""
    for name in ("openssl", "keytool", "certutil"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'Error occurred during initialization of VM'\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setattr(processes, "PATH", str(tmp_path))
    assert get_codes(device, free_port(), Root("Zone CA 2").pem) == {}


def test_a_full_disk_stops_no_update(
    device: Host, port: int, family: factories.Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str, *_rest: object) -> None:
        raise files.NoSpace(f"Cannot write {path}: no space.")

    monkeypatch.setattr(files, "write", fail)
    assert get_codes(device, port, family.root) == {}
