"""The Certificate Remint Tool: one file per update, same bytes everywhere (D-40, R212)."""

import subprocess
from uuid import UUID

import pytest

from certificates.models import Operation
from systemupdates.models import SystemUpdate
from systemupdates.remint_tool import build
from tests.certificates.operations import test_remint_ca as remint

PYTHON = "/usr/bin/python3"


def test_the_same_update_gives_the_same_bytes(zone):
    update = remint.prepared().update
    assert build.build(update) == build.build(SystemUpdate.objects.get(pk=update.pk))


def test_it_is_offered_on_the_initiating_server_at_once_and_withdrawn_on_cancel(zone, client):
    operation = remint.prepared()
    server = UUID(zone.first.id)
    assert build.publish(server)
    page = client.get("/zenworks-setup/", secure=True)
    assert build.NAME in page.content.decode()
    sent = client.get(f"/zenworks-setup/{build.NAME}", secure=True)
    assert b"".join(sent.streaming_content) == build.build(operation.update)
    SystemUpdate.objects.filter(pk=operation.update_id).update(state="canceled")
    build.publish(server)
    assert not build.offered_names()


def test_a_file_outside_the_offer_cannot_be_named(zone, client):
    remint.prepared()
    (build.folder()).mkdir(exist_ok=True)
    (build.folder() / "other").write_text("secret")
    for name in ("other", "..%2fdevice.json", "%2e%2e%2fdevice.json"):
        assert client.get(f"/zenworks-setup/{name}", secure=True).status_code == 404


def test_the_system_python_alone_can_run_it(zone, tmp_path):
    update = remint.prepared().update
    tool = tmp_path / "tool.bin"
    tool.write_bytes(build.build(update))
    tool.chmod(0o755)
    done = subprocess.run(
        [tool, "--info", "--home", tmp_path / "nowhere"],
        capture_output=True,
        text=True,
        env={"ZAC_PYTHON": PYTHON, "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 3, "a device that is not registered is told so"
    assert "register" in done.stderr.lower()


def test_without_python_it_says_so_and_ends_with_69(zone, tmp_path):
    tool = tmp_path / "tool.bin"
    tool.write_bytes(build.build(remint.prepared().update))
    done = subprocess.run(
        ["/bin/sh", tool], capture_output=True, text=True, env={"PATH": "/nowhere"}, check=False
    )
    assert done.returncode == 69
    assert "Python 3.8" in done.stderr


@pytest.mark.django_db
def test_nothing_is_offered_without_an_update(client, settings, tmp_path):
    settings.SERVER_HOME = tmp_path
    assert Operation.objects.count() == 0
    page = client.get("/zenworks-setup/", secure=True)
    assert "No tool is offered" in page.content.decode()


def test_content_is_served_in_parts_by_the_console_too(zone, client):
    """RFC 9110, 14.1.2: a depot and the console answer a Range alike."""
    (file, *_rest) = remint.prepared().update.files
    there = f"/content/{file['sha256']}"
    whole = client.get(there, secure=True)
    assert whole.status_code == 200
    assert len(whole.content) == file["size"]
    part = client.get(there, secure=True, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{file['size']}"
    beyond = client.get(there, secure=True, headers={"Range": f"bytes={file['size']}-"})
    assert beyond.status_code == 416
