"""The commands of zman against the console: effect, output, and exit code."""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
from pathlib import Path

import pytest

from certificates.models import Authority, FutureCertificate, Operation
from devices.models import Device, Zone
from systemupdates.models import Assignment
from tests.support import walkthrough
from tests.support.public_ca import PublicCA
from wire import messages
from zman.cli import exit_codes

PHRASE = "seven quiet lakes"
EXTERNAL = PublicCA()


def test_a_list_is_a_table_or_json(shell, zone):
    zone.join("pc-1")
    run = shell.good("list", "devices")
    assert run.out.splitlines()[0].split()[:3] == ["Device", "Role", "State"]
    assert "pc-1" in run.out
    assert "\x1b" not in run.out, "colors are for terminals only"
    found = shell.json("list", "devices", "--search", "pc-1")
    assert [one["name"] for one in found] == ["pc-1"]
    assert shell.json("list", "devices", "--state", "retired") == []


@pytest.mark.parametrize(
    "kind",
    [
        "servers",
        "operations",
        "updates",
        "authorities",
        "registration-keys",
        "stages",
        "audit",
        "tokens",
    ],
)
def test_all_resources_can_be_listed(shell, kind):
    assert isinstance(shell.json("list", kind), list)
    assert shell.good("list", kind, "--limit", "1").out


def test_all_pages_of_a_list_are_read(shell, zone, monkeypatch):
    monkeypatch.setattr("zman.client.client.PAGE_SIZE", 2)
    for number in range(4):
        zone.join(f"pc-{number}", address=f"127.9.1.{number + 1}")
    assert len(shell.json("list", "devices")) == 5
    assert len(shell.json("list", "devices", "--limit", "3")) == 3


@pytest.mark.parametrize(
    "what", [["ca"], ["zone"], ["me"], ["actions"], ["limits"], ["server", "ps-01"],
             ["device", "ps-01.test.example"], ["audit", "1"]],
)  # fmt: skip
def test_all_resources_can_be_shown(shell, what):
    assert shell.json("show", *what)
    assert shell.good("show", *what).out


def test_the_ca_certificate_is_saved_and_no_file_is_overwritten(shell):
    target = shell.folder / "ca.pem"
    shell.good("show", "ca", "--pem", "--file", str(target))
    assert target.read_text() == Authority.objects.current().root_pem
    again = shell("show", "ca", "--pem", "--file", str(target))
    assert again.code == exit_codes.USAGE
    assert f"Cannot write {target}: File exists." in again.err
    assert again.err.count(str(target)) == 1
    missing = shell("notification-target", "webhook", "pager", "--url-file", "/nowhere")
    assert "Cannot read /nowhere: No such file or directory." in missing.err
    assert missing.err.count("/nowhere") == 1
    assert "BEGIN CERTIFICATE" in shell.good("show", "server", "ps-01", "--pem").out


def test_a_remint_is_started_watched_postponed_and_canceled(shell, zone):
    started = shell.json("remint", "ca", "--years", "5")
    assert started["kind"] == "remint-ca"
    assert Operation.objects.get().parameters["years"] == 5
    assert shell("remint", "ca").code == exit_codes.REFUSED
    shell.good("show", "operation", started["id"][:8])
    walkthrough.prepare(zone, Operation.objects.get())
    shell.good("postpone", "--at", "+30d")
    run = shell("postpone", "--at", "+1s")
    assert run.code == exit_codes.USAGE
    assert "zman: " in run.err
    assert "canceling" in shell.good("cancel").err


def test_name_constraints_are_shown_proposed_entered_kept_and_removed(shell, zone):
    assert shell.json("show", "name-constraints")["current"] is None
    proposal = shell.json("show", "name-constraints")["proposal"]

    def remint(*options):
        shell.json("remint", "ca", *options)
        found = Operation.objects.first().parameters["name_constraints"]
        shell.good("cancel")
        walkthrough.step(Operation.objects.first())
        return found

    assert remint() is None
    assert remint("--propose-name-constraints") == proposal
    entered = ("--permit-domain", "test.example", "--permit-domain", "shop.example")
    network = ("--permit-network", "127.9.0.0/16", "--exclude", "guest.test.example")
    limits = {
        "domains": ["test.example", "shop.example"],
        "networks": ["127.9.0.0/16"],
        "excluded": ["guest.test.example"],
    }
    assert remint(*entered, *network) == limits
    assert remint("--no-name-constraints") is None
    both = shell("remint", "ca", *entered, "--no-name-constraints")
    assert both.code == exit_codes.USAGE
    assert "not more than one" in both.err
    outside = shell("remint", "ca", "--permit-domain", "test.example")
    assert outside.code == exit_codes.REFUSED
    assert "do not permit 127.9.0.1" in outside.err
    internal = ("change", "internal", "--server", "ps-01", "--propose-name-constraints")
    shell.json(*internal)
    assert Operation.objects.first().parameters["name_constraints"] == proposal


def test_the_same_idempotency_key_starts_one_operation(shell):
    key = "3f2f3f2e-0000-4000-8000-000000000001"
    at = walkthrough.soon(hours=2).isoformat()
    first = shell.json("remint", "ca", "--idempotency-key", key, "--at", at)
    assert shell.json("remint", "ca", "--idempotency-key", key, "--at", at)["id"] == first["id"]
    assert Operation.objects.count() == 1


def test_a_remint_is_watched_until_it_completes(shell, zone, monkeypatch):
    def work(_seconds: float) -> None:
        operation = Operation.objects.get()
        if operation.state == "preparing":
            walkthrough.prepare(zone, operation)
        elif operation.state == "replicating":
            walkthrough.replicate(zone, operation)
            walkthrough.step(operation)
        elif operation.state == "assigned":
            walkthrough.apply(zone, operation)
            walkthrough.sign(zone, Authority.objects.get(state="future"))
            walkthrough.cut_over(zone, operation)

    monkeypatch.setattr("zman.client.watch.time.sleep", work)
    run = shell.good("remint", "ca", "--at", "+10m", "--watch", "--json")
    states = [json.loads(line)["state"] for line in run.out.splitlines()]
    assert states[0] == "preparing"
    assert states[-1] == "completed"
    assert "is complete" in shell.good("watch", Operation.objects.get().pk.hex[:8]).err


def test_watch_prints_counts_and_activation_and_no_line_twice(shell, zone, monkeypatch):
    shell.good("remint", "ca", "--at", "+1d")
    operation = Operation.objects.get()
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    walkthrough.step(operation)
    zone.join("pc-1")
    polls = iter(range(4))

    def work(_seconds: float) -> None:
        if next(polls) == 2:
            Operation.objects.update(state="blocked")

    monkeypatch.setattr("zman.client.watch.time.sleep", work)
    lines = shell("watch").err.splitlines()
    assigned = [line for line in lines if line.startswith("assigned: ")]
    assert len(assigned) == 1, lines
    assert re.search(r"Apply to devices: \d+ of \d+\.", assigned[0])
    moment = Operation.objects.get().activates_at.astimezone()
    assert f"Activation: {moment:%Y-%m-%d %H:%M}" in assigned[0]


def test_watch_fails_if_the_operation_is_blocked(shell):
    shell.good("remint", "ca")
    Operation.objects.update(state="blocked", reason="ps-02 lacks it.", action="Change the time.")
    run = shell("watch")
    assert run.code == exit_codes.FAILED
    assert "ps-02 lacks it." in run.err
    assert "Change the time." in run.err


def test_the_ca_is_changed_to_another_server(shell, zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    started = shell.json("change", "internal", "--server", "ps-02", "--subject", "CN=NEW")
    assert started["kind"] == "change-ca"


def test_a_new_internal_ca_has_the_name_of_the_zone_by_default(shell, zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    shell.good("change", "internal", "--server", "ps-02")
    walkthrough.prepare(zone, Operation.objects.get())
    assert Operation.objects.get().future_authority.common_name == Zone.objects.get().name


@pytest.mark.parametrize("form", ["pem", "der"])
def test_the_ca_is_changed_to_an_external_ca_and_the_certificate_is_imported(shell, zone, form):
    files = [shell.folder / "root.pem", shell.folder / "between.pem"]
    for path, text in zip(files, [EXTERNAL.root.pem, *EXTERNAL.chain], strict=True):
        path.write_text(text)
    if form == "der":
        root = PublicCA("Alone", depth=0).root.certificate
        from cryptography.hazmat.primitives.serialization import Encoding

        files = [shell.folder / "root.der"]
        files[0].write_bytes(root.public_bytes(Encoding.DER))
    shell.good("change", "external", *map(str, files), "--organization", "ACME")
    if form == "der":
        return
    operation = Operation.objects.get()
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    Device.objects.update(features=[messages.FEATURE_CSR])
    zone.first.request_certificate(str(operation.update_id))
    shell.good("csr", "get", "ps-01", "--file", str(shell.folder / "ps-01.csr"))
    csr = (shell.folder / "ps-01.csr").read_text()
    answer = shell.folder / "answer.p7b"
    answer.write_bytes(
        EXTERNAL.answer(csr, "p7b", dns=["ps-01.test.example"], addresses=["127.9.0.1"])
    )
    assert shell.json("import", str(answer))["done"] == ["ps-01"]
    assert FutureCertificate.objects.get().state == "uploaded"
    shell.good("import", str(answer), "--server", "ps-01")
    assert shell("import", str(files[0])).code == exit_codes.FAILED
    shell.good("csr", "generate", "ps-01")
    assert FutureCertificate.objects.get().state == "awaited"
    assert "no longer has a failure" in shell("csr", "retry", "ps-01").err
    FutureCertificate.objects.update(state="csr-failed", reason="The disk is full.")
    shell.good("csr", "retry", "ps-01")
    assert FutureCertificate.objects.get().state == "awaited"


def test_several_csrs_are_saved_as_a_zip_file(shell, zone):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    operation = walkthrough.to_external(EXTERNAL)
    walkthrough.prepare(zone, operation)
    operation = walkthrough.step(operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    for host in walkthrough.primaries(zone):
        host.refresh()
        host.request_certificate(str(operation.update_id))
    target = shell.folder / "csrs.zip"
    assert shell("csr", "get", "ps-01", "ps-02").code == exit_codes.USAGE
    shell.good("csr", "get", "ps-01", "ps-02", "--file", str(target))
    assert len(zipfile.ZipFile(io.BytesIO(target.read_bytes())).namelist()) == 2


def test_servers_are_reminted_by_name(shell):
    assert shell("remint", "servers").code == exit_codes.USAGE
    assert shell("remint", "servers", "nobody").code == exit_codes.NOT_FOUND
    started = shell.json("remint", "servers", "ps-01", "--name", "One")
    assert (started["name"], started["kind"]) == ("One", "remint-server")
    shell.good("cancel")


def test_actions_on_the_update_of_an_operation(shell, zone):
    zone.join("cs-1", messages.CONTENT_SATELLITE)
    zone.join("pc-1", address="127.9.0.10")
    shell.good("remint", "ca")
    walkthrough.prepare(zone, Operation.objects.get())
    walkthrough.step(Operation.objects.get())
    shell.good("replicate")
    update = shell.json("list", "updates")[0]["name"]
    replicas = shell.json("list", "replicas", "--update", update)
    assert {one["server"] for one in replicas} == {"ps-01", "cs-1"}
    shell.good("replica", "exclude", "--server", "cs-1")
    assert "assigned" in shell.good("assign-now").err
    shell.good("ignore", "pc-1", "--update", update)
    assert Assignment.objects.get(device__name="pc-1").state == "ignored"
    shell.good("redeploy", "pc-1", "--update", update)
    assert shell("redeploy", "nobody", "--update", update).code == exit_codes.USAGE
    assert len(shell.json("list", "assignments", "--update", update)) == 3
    assert shell("list", "assignments").code == exit_codes.USAGE
    assert shell("force-activation").code == exit_codes.REFUSED
    shell.good("clear-failure")
    assert shell("continue-without-cross-cert").code == exit_codes.REFUSED


def test_devices_are_unregistered_and_retired(shell, zone):
    zone.join("pc-1")
    zone.join("pc-2", address="127.9.0.10")
    assert "unregistered" in shell.good("unregister", "pc-1").err
    assert shell.json("retire", "pc-2")["state"] == "retired"
    assert shell("retire", "ps-01").code == exit_codes.REFUSED
    assert shell("approve", "pc-9").code == exit_codes.NOT_FOUND


def test_the_ca_is_backed_up_to_a_private_file_and_restored(shell, served):
    shell.patch.setenv("ZMAN_PASSPHRASE", PHRASE)
    target = shell.folder / "backup.zip"
    assert shell.json("backup", str(target))["file"] == str(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert shell("backup", str(target)).code == exit_codes.USAGE, "files are not overwritten"
    secret = shell.folder / "phrase"
    secret.write_text(PHRASE + "\n")
    shell.patch.delenv("ZMAN_PASSPHRASE")
    restore = ["restore", str(target), "--server", "ps-01", "--passphrase-file"]
    shell.good(*restore, str(secret))
    secret.write_text("another quiet lake")
    run = shell(*restore, str(secret))
    assert run.code == exit_codes.FAILED
    assert "another quiet lake" not in run.err
    run = shell("backup", str(shell.folder / "other.zip"))
    assert run.code == exit_codes.USAGE
    assert "No passphrase specified" in run.err


def test_the_ca_role_is_moved(shell, zone, served):
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    assert "ps-02 now has the CA role." in shell.good("move", "ps-02").err


def test_confirmation_is_required(shell, monkeypatch):
    from functools import partial

    from zman.cli import main
    from zman.client.client import Console

    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    connect = partial(Console, pool=shell._pool)
    assert main.main(["remint", "ca"], connect) == exit_codes.USAGE
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list", "tea"], exit_codes.USAGE),
        (["brew"], exit_codes.USAGE),
        (["show", "server"], exit_codes.USAGE),
        (["show", "server", "nobody"], exit_codes.NOT_FOUND),
        (["watch"], exit_codes.NOT_FOUND),
        (["remint", "ca", "--at", "soon"], exit_codes.USAGE),
        (["remint", "ca", "--key-length", "1024"], exit_codes.USAGE),
        (["import", "/nowhere/x.pem"], exit_codes.USAGE),
        (["list", "audit", "--state", "x"], exit_codes.USAGE),
        (["move", "ps-01"], exit_codes.USAGE),
    ],
)
def test_errors_have_a_message_and_an_exit_code(shell, arguments, code):
    run = shell(*arguments)
    assert run.code == code, run
    assert run.err.startswith("zman: ")
    told = shell(*arguments, "--json")
    assert json.loads(told.err.splitlines()[-1])["detail"]
    assert told.out == ""
    assert not Operation.objects.exists()


def test_control_characters_are_replaced(shell, zone):
    Device.objects.update(name="ps-01\x1b[2J")
    assert "\x1b" not in shell.good("list", "servers").out


def test_a_missing_right_is_named(shell):
    from tests.api.conftest import caller

    shell.patch.setenv("ZMAN_TOKEN", caller("reader").text)
    run = shell("remint", "ca")
    assert run.code == exit_codes.NOT_ALLOWED
    assert "Certificate Authority" in run.err
    shell.patch.setenv("ZMAN_TOKEN", "zcct_wrong")
    assert shell("show", "zone").code == exit_codes.NOT_ALLOWED


def test_all_commands_have_help(capsys):
    import argparse

    from zman.cli.main import make_parser

    def walk(parser: argparse.ArgumentParser) -> int:
        assert parser.format_help()
        kinds = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        return 1 + sum(walk(child) for kind in kinds for child in kind.choices.values())

    assert walk(make_parser()) > 25
    assert not Path("~").exists()
