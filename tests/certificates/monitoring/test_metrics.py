"""Metrics of backups and devices, and the dashboard and the alert rules that use them (D-187)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import yaml
from django.utils import timezone

from certificates.models import Authority, BackupStatus, OcspResponse, RevocationList, VaultJob
from certificates.monitoring import device_metrics, health, workers
from certificates.operations.states import AuthorityState, JobState, OperationState
from certificates.revocation import lists, ocsp
from devices.models import Device
from tests.support import factories
from tests.support.metrics import Samples, read_metrics
from zcc.runtime.components import BASE_DIR

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVIL = "e" * 64
METRIC = re.compile(r"\bzcc_[a-z0-9_]+")
SELECTOR = re.compile(r"\b(zcc_[a-z0-9_]+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|=)"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")
# Labels that Prometheus adds.
OUTSIDE = {"instance", "job"}
API_PAGE = (BASE_DIR / "docs" / "api.md").read_text()
RULES = [
    rule
    for group in yaml.safe_load((BASE_DIR / "deploy/monitoring/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((BASE_DIR / "deploy/monitoring/grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for rule in RULES},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in PANELS
        for target in panel["targets"]
    },
}

pytestmark = pytest.mark.django_db


@pytest.fixture
def everything(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> Samples:
    """The metrics of a zone that has something of everything."""
    now = timezone.now()
    waiting = {"shared": health.QueueState(1, now)}
    monkeypatch.setattr(health, "get_queue_states", lambda _names: waiting)
    workers.record_periodic_heartbeat(now)
    factories.device("pc-1", root_sha256=ca.sha256)
    backup(ca, ended_at=now)
    status = {"created_at": now, "drilled_at": now, "proven_at": now, "drill_seconds": 4}
    BackupStatus.objects.create(server=ca.certificate_server, **status)
    factories.operation(ca, state=OperationState.BLOCKED)
    add_crl(ca, now)
    add_ocsp_response(ca, now)
    return read_metrics()


def add_crl(ca: Authority, issued_at: datetime) -> None:
    end = issued_at + lists.VALIDITY
    RevocationList.objects.create(authority=ca, number=1, issued_at=issued_at, next_update=end)


def add_ocsp_response(ca: Authority, at: datetime) -> None:
    end = at + ocsp.VALIDITY
    values = {"this_update": at, "next_update": end, "not_after": at + 90 * DAY}
    OcspResponse.objects.create(authority=ca, digest="0" * 64, serial="1", **values)


def backup(ca: Authority, **values: Any) -> VaultJob:
    kind, server = VaultJob.Kind.BACKUP, ca.certificate_server
    given = {"kind": kind, "server": server, "authority": ca, "state": JobState.DONE}
    return VaultJob.objects.create(**{**given, **values})


def test_the_age_of_the_last_backup_is_that_of_the_current_ca(ca: Authority) -> None:
    now = timezone.now()
    backup(ca, state=JobState.FAILED, ended_at=now)
    assert read_metrics(now)["zcc_ca_has_backup"] == [({}, 0)]
    assert "zcc_ca_backup_age_seconds" not in read_metrics(now)
    backup(ca, ended_at=now - 3 * DAY)
    backup(ca, ended_at=now - DAY)
    found = read_metrics(now)
    assert found["zcc_ca_has_backup"] == [({}, 1)]
    assert found["zcc_ca_backup_age_seconds"] == [({}, DAY.total_seconds())]
    Authority.objects.filter(pk=ca.pk).update(state=AuthorityState.GRACE)
    factories.authority(ca.certificate_server, name="NEW")
    assert read_metrics(now)["zcc_ca_has_backup"] == [({}, 0)]


def test_the_ages_of_backups_and_drills_of_each_server(ca: Authority) -> None:
    now = timezone.now()
    names = ("age_seconds", "proven_age_seconds", "drill_succeeded", "restore_seconds")
    assert all(read_metrics(now)[f"zcc_backup_{name}"] == [] for name in names)
    row = BackupStatus.objects.create(server=ca.certificate_server, created_at=now - HOUR)
    labels = {"server": ca.certificate_server.name}
    assert read_metrics(now)["zcc_backup_age_seconds"] == [(labels, 3600)]
    assert read_metrics(now)["zcc_backup_drill_succeeded"] == []
    row.drilled_at, row.proven_at, row.drill_seconds = now, now - DAY, 4.5
    row.save()
    found = read_metrics(now)
    values = [found[f"zcc_backup_{name}"] for name in names]
    assert values == [[(labels, value)] for value in (3600, DAY.total_seconds(), 1, 4.5)]
    BackupStatus.objects.update(drill_fault="damaged")
    assert read_metrics(now)["zcc_backup_drill_succeeded"] == [(labels, 0)]


@pytest.mark.parametrize("change", [{"kind": "external"}, {"sealed_key": "pkcs11:token=zone"}])
def test_a_ca_that_needs_no_backup_has_no_such_metric(
    ca: Authority, change: dict[str, str]
) -> None:
    backup(ca, ended_at=timezone.now())
    Authority.objects.update(**change)
    assert not {"zcc_ca_has_backup", "zcc_ca_backup_age_seconds"} & set(read_metrics())


def test_the_time_until_a_revocation_list_expires(ca: Authority) -> None:
    now = timezone.now()
    assert read_metrics(now)["zcc_crl_expires_in_seconds"] == []
    add_crl(ca, now - 8 * DAY)
    [(labels, seconds)] = read_metrics(now)["zcc_crl_expires_in_seconds"]
    assert (labels["sha256"], seconds) == (ca.sha256, -DAY.total_seconds())


def test_the_time_until_an_ocsp_response_expires(ca: Authority) -> None:
    now = timezone.now()
    assert read_metrics(now)["zcc_ocsp_expires_in_seconds"] == []
    add_ocsp_response(ca, now - DAY)
    [(labels, seconds)] = read_metrics(now)["zcc_ocsp_expires_in_seconds"]
    assert (labels["sha256"], seconds) == (ca.sha256, 3 * DAY.total_seconds())


def test_devices_are_counted_by_the_root_that_they_use(ca: Authority) -> None:
    Device.objects.update(root_sha256=ca.sha256)
    states = (AuthorityState.FUTURE, AuthorityState.GRACE, AuthorityState.RETIRED)
    for state in states:
        root = factories.authority(name=state, state=state).sha256
        factories.device(f"pc-{state}", root_sha256=root)
    factories.device("pc-new", root_sha256="")
    factories.device("pc-evil", root_sha256=EVIL)
    factories.device("pc-left", root_sha256=EVIL, state="retired")
    found = {labels["root"]: n for labels, n in read_metrics()["zcc_devices_by_root"]}
    assert found == {
        "current": 1,
        "new": 1,
        "old": 2,
        "discarded": 0,
        "unknown": 1,
        "not_reported": 1,
    }


def test_devices_are_counted_by_the_version_of_their_agent(ca: Authority) -> None:
    Device.objects.update(version="2.0.0")
    factories.device("pc-1", version="2.0.0")
    factories.device("pc-2", version='1.0.0"\n} 1')
    factories.device("pc-3", version="0.9.0", state="retired")
    found = read_metrics()["zcc_devices_by_agent_version"]
    assert found == [({"version": '1.0.0"\n} 1'}, 1), ({"version": "2.0.0"}, 2)]


def test_versions_that_devices_invent_do_not_create_metrics_without_limit(ca: Authority) -> None:
    Device.objects.update(version="2.0.0")
    factories.device("pc", version="2.0.0")
    for number in range(device_metrics.MAX_VERSIONS + 4):
        factories.device(f"pc-{number}", version=f"9.{number}")
    found = read_metrics()["zcc_devices_by_agent_version"]
    assert len(found) == device_metrics.MAX_VERSIONS + 1
    assert ({"version": "2.0.0"}, 2) in found
    assert ({"version": "other"}, 5) in found


def test_the_age_of_the_last_contact_of_servers_and_roles(ca: Authority) -> None:
    now = timezone.now()
    Device.objects.update(last_contact=now - HOUR)
    factories.server("cs-1", "content-satellite", last_contact=now - 2 * HOUR)
    factories.server("ps-old", last_contact=now, state="retired")
    factories.server("ps-new", last_contact=None)
    factories.device("pc-1", last_contact=now - 5 * HOUR)
    factories.device("pc-2", last_contact=now - 3 * HOUR)
    found = read_metrics(now)
    servers = {row["server"]: age for row, age in found["zcc_server_last_contact_age_seconds"]}
    assert servers == {"ps-01": 3600, "cs-1": 7200}
    roles = {row["role"]: age for row, age in found["zcc_latest_contact_age_seconds"]}
    assert roles == {"primary": 3600, "content-satellite": 7200, "managed": 3 * 3600}


def test_rejected_contacts_of_all_devices_are_a_counter(ca: Authority) -> None:
    assert read_metrics()["zcc_rejected_contacts_total"] == [({}, 0)]
    factories.device("pc-1", failed_contacts=3)
    factories.device("pc-left", failed_contacts=4, state="retired")
    assert read_metrics()["zcc_rejected_contacts_total"] == [({}, 7)]


def test_the_api_page_lists_exactly_the_metrics_that_exist(everything: Samples) -> None:
    real = {re.sub(r"_(count|sum)$", "", name) for name in everything}
    assert set(re.findall(r"`(zcc_[a-z_]+)`", API_PAGE)) == real


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_uses_metrics_and_labels_that_exist(everything: Samples, name: str) -> None:
    expression = EXPRESSIONS[name]
    used = set(METRIC.findall(expression))
    assert used - set(everything) == set()
    assert used or expression.startswith("up{")
    for metric, selector in SELECTOR.findall(expression):
        for label, _, value in MATCHER.findall(selector):
            values = {labels[label] for labels, _ in everything[metric]}
            assert values & set(value.split("|"))
    known = labels_of(used, everything)
    for group in GROUPING.findall(expression):
        assert set(group.split(", ")) <= known
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing)


def labels_of(names: set[str], found: Samples) -> set[str]:
    return OUTSIDE | {key for name in names for labels, _ in found[name] for key in labels}


def test_alert_rules_are_complete_and_named_once() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) > 15
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"Zcc[A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[mhd]", rule.get("for", "1m"))
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "action"}
        assert all(text.endswith(".") for text in rule["annotations"].values())


def test_texts_of_alerts_contain_only_labels_that_their_expression_has(
    everything: Samples,
) -> None:
    for rule in RULES:
        text = " ".join(rule["annotations"].values())
        shown = set(re.findall(r"\$labels\.(\w+)", text))
        known = labels_of(set(METRIC.findall(rule["expr"])), everything)
        removed = {
            name for g in re.findall(r"without \(([^)]*)\)", rule["expr"]) for name in g.split(", ")
        }
        assert shown <= known - removed, rule["alert"]


def test_the_deployment_page_explains_every_alert() -> None:
    text = (BASE_DIR / "docs" / "deployment.md").read_text()
    assert set(re.findall(r"`(Zcc[A-Za-z]+)`", text)) == {rule["alert"] for rule in RULES}


def test_the_dashboard_has_panels_that_do_not_overlap() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken = [cell for panel in DASHBOARD["panels"] for cell in cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"].endswith(".")
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"


def cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y


def test_the_dashboard_shows_labels_that_exist(everything: Samples) -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            known = labels_of(set(METRIC.findall(target["expr"])), everything)
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known
