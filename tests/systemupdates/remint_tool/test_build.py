"""The Certificate Remint Tool: build, publication, and download."""

import subprocess
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from certificates.models import Operation
from devices.models import Role
from systemupdates.downloads import publication
from systemupdates.downloads.archive import build_archive
from systemupdates.models import Replica, SystemUpdate
from systemupdates.remint_tool import build
from systemupdates.updates.states import ReplicaState
from tests.certificates.operations import test_remint_ca as remint
from tests.support import factories
from wire.metadata import sha256

PYTHON = "/usr/bin/python3"


def test_the_build_is_reproducible(zone):
    update = remint.prepared().update
    assert build.build_tool(update) == build.build_tool(SystemUpdate.objects.get(pk=update.pk))


@pytest.mark.manual("R048", "R076", "R194", "R218")
def test_the_initiating_server_offers_the_tool_until_the_update_is_canceled(zone, client):
    operation = remint.prepared()
    server = UUID(zone.first.id)
    assert build.publish_tools(server)
    page = client.get("/zenworks-setup/", secure=True)
    assert build.NAME in page.content.decode()
    sent = client.get(f"/zenworks-setup/{build.NAME}", secure=True)
    assert b"".join(sent.streaming_content) == build.build_tool(operation.update)
    SystemUpdate.objects.filter(pk=operation.update_id).update(state="canceled")
    build.publish_tools(server)
    assert not build.list_file_names()


def test_the_page_names_the_newest_update_and_lists_each_tool_once(zone, client):
    operation = remint.prepared()
    build.publish_tools(UUID(zone.first.id))
    (tool,) = build.list_tools()
    assert (tool.file.name, tool.update, tool.is_newest) == (build.NAME, operation.update, True)
    page = client.get("/zenworks-setup/", secure=True).content.decode()
    assert page.count("<h3") == page.count('id="a') + 1
    assert operation.update.name in page
    assert f"sudo sh {build.NAME}" in page
    # Without the link, it is the tool of an update that is not the newest one.
    (publication.get_folder() / build.NAME).unlink()
    (tool,) = build.list_tools()
    assert (tool.update, tool.is_newest) == (operation.update, False)


def test_other_files_cannot_be_downloaded(zone, client):
    remint.prepared()
    (publication.get_folder()).mkdir(exist_ok=True)
    (publication.get_folder() / "other").write_text("secret")
    for name in ("other", "..%2fdevice.json", "%2e%2e%2fdevice.json"):
        assert client.get(f"/zenworks-setup/{name}", secure=True).status_code == 404


def test_the_tool_runs_with_the_system_python(zone, tmp_path):
    update = remint.prepared().update
    tool = tmp_path / "tool.bin"
    tool.write_bytes(build.build_tool(update))
    tool.chmod(0o755)
    environment = {"ZAC_PYTHON": PYTHON, "PATH": "/usr/bin:/bin"}
    home = ("--home", tmp_path / "nowhere")

    def run(*options):
        command = [tool, *options, *home]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    shown = run("--info")
    assert shown.returncode == 0, shown.stderr
    assert "signature was not verified" in shown.stdout
    done = run()
    assert done.returncode == 3, "the device is not registered"
    assert "register" in done.stderr.lower()


def test_it_imports_nothing_from_the_current_directory(zone, tmp_path):
    """It is usually run as root, in a directory of downloads."""
    file = tmp_path / build.NAME
    file.write_bytes(build.add_stub(build_archive({"__main__.py": b"import argparse\n"})))
    for name in ("hashlib", "argparse", "ssl", "sys"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(99)")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(["/bin/sh", file.name], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("damage", ["cut off", "changed byte", "added byte"])
def test_a_damaged_tool_says_so_and_runs_nothing(zone, tmp_path, damage):
    data = build.build_tool(remint.prepared().update)
    middle = len(data) // 2
    damaged = {
        "cut off": data[:50_000],
        "changed byte": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "added byte": data + b"x",
    }
    tool = tmp_path / "tool.bin"
    tool.write_bytes(damaged[damage])
    done = subprocess.run(
        ["/bin/sh", tool, "--info", "--home", tmp_path / "nowhere"],
        capture_output=True,
        text=True,
        env={"ZAC_PYTHON": PYTHON, "PATH": "/usr/bin:/bin"},
        check=False,
    )
    assert done.returncode == 6
    assert done.stderr.startswith("This file is damaged or incomplete. Nothing was changed.")
    assert "Traceback" not in done.stderr


@pytest.mark.manual("R214")
def test_the_checksum_file_names_the_downloaded_file(zone):
    update = remint.prepared().update
    build.publish_tools(UUID(zone.first.id))
    for name in (build.NAME, build.get_name(update)):
        done = subprocess.run(
            ["sha256sum", "-c", f"{name}.sha256"],
            cwd=publication.get_folder(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == f"{name}: OK\n"


def test_the_name_of_the_manual_is_not_given_to_an_older_ca(zone):
    """After the newest update is deleted, only the tools with the ID of their update remain."""
    older = remint.prepared().update
    server = UUID(zone.first.id)
    build.publish_tools(server)
    newer = SystemUpdate.objects.get(pk=older.pk)
    newer.pk = uuid4()
    newer._state.adding = True
    newer.save()
    replica = older.replicas.get(server_id=server)
    replica.pk, replica.update = None, newer
    replica.save()
    SystemUpdate.objects.filter(pk=newer.pk).update(deleted_at=timezone.now(), state="baselined")
    build.publish_tools(server)
    assert build.list_file_names() == [
        f"{build.get_name(older)}{suffix}" for suffix in ("", ".sha256", ".sig")
    ]


@pytest.mark.manual("R211")
def test_the_page_shows_what_to_type(zone, admin_client):
    update = remint.prepared().update
    build.publish_tools(UUID(zone.first.id))
    page = admin_client.get(f"/system-updates/{update.pk}/content/", secure=True).content.decode()
    data = (publication.get_folder() / build.get_name(update)).read_bytes()
    url = "http://127.9.0.1:8080/zenworks-setup"
    assert f"zac remint {url}/{build.get_name(update)}" in page
    # Two spaces would be shown, and copied, as one.
    line = f"{sha256(data)} *{build.get_name(update)}"
    assert line in page
    done = subprocess.run(
        ["sha256sum", "-c"], input=line.encode(), cwd=publication.get_folder(), check=False
    )
    assert done.returncode == 0


def test_the_tool_exits_with_69_without_python(zone, tmp_path):
    tool = tmp_path / "tool.bin"
    tool.write_bytes(build.build_tool(remint.prepared().update))
    done = subprocess.run(
        ["/bin/sh", tool], capture_output=True, text=True, env={"PATH": "/nowhere"}, check=False
    )
    assert done.returncode == 69
    assert "Python 3.8" in done.stderr


@pytest.mark.django_db
def test_no_tool_is_offered_without_an_update(client, settings, tmp_path):
    settings.SERVER_HOME = tmp_path
    assert Operation.objects.count() == 0
    page = client.get("/zenworks-setup/", secure=True)
    assert "The tool is not available on this server" in page.content.decode()


def test_the_console_supports_range_requests_for_content(zone, client):
    """Content servers and the console respond equally. See: RFC 9110 14.1.2."""
    (file, *_rest) = remint.prepared().update.files
    url = f"/content/{file['sha256']}"
    whole = client.get(url, secure=True)
    assert whole.status_code == 200
    assert len(whole.content) == file["size"]
    part = client.get(url, secure=True, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{file['size']}"
    beyond = client.get(url, secure=True, headers={"Range": f"bytes={file['size']}-"})
    assert beyond.status_code == 416


@pytest.mark.manual("R048", "R076", "R140", "R194", "R212")
def test_other_servers_offer_the_tool_after_the_assignment(zone):
    other = factories.server("ps-09", Role.PRIMARY)
    update = remint.prepared().update
    Replica.objects.filter(update=update, server=other).delete()
    factories.replica(update, other, ReplicaState.AVAILABLE)
    assert other.pk not in build.get_servers_to_publish(), "the update is not assigned yet"
    SystemUpdate.objects.filter(pk=update.pk).update(state="assigned")
    assert other.pk in build.get_servers_to_publish()
    build.publish_tools(other.pk)
    assert build.NAME in build.list_file_names()
    assert other.pk not in build.get_servers_to_publish()
    SystemUpdate.objects.filter(pk=update.pk).update(deleted_at=timezone.now(), state="baselined")
    assert other.pk in build.get_servers_to_publish()
    build.publish_tools(other.pk)
    assert build.list_file_names() == []
