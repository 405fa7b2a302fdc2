"""With two-administrator approval, one administrator alone does not become two.

See: D-171
"""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from administrators.accounts import accounts, policies, setup_links
from administrators.accounts.roles import SUPER
from administrators.approvals import role_requests
from administrators.models import RoleRequest, roles_of
from audit.models import Entry, RowAltered
from certificates.approvals import approvals
from certificates.authority import key_operations
from certificates.tasks import schedule
from faults import Conflict, Forbidden, Refused
from notifications.delivery import events
from notifications.models import Delivery, Target
from tests.support import clients, factories
from tests.zcc.rows import sql

CA_ADMIN = "certificate-administrator"


@pytest.fixture
def chief(zone):
    return factories.admin("chief")


@pytest.fixture
def deputy(chief):
    """A second Super Administrator, with two-administrator approval on."""
    other = factories.admin("deputy")
    policies.update_policies(
        requires_second_factor=False, two_administrators=True, by=chief, now=timezone.now()
    )
    return other


def roles(user):
    return [role.key for role in roles_of(User.objects.get(pk=user.pk))]


def create(chief, *keys, name="eve"):
    new = accounts.NewAdministrator(name, "", list(keys))
    now = timezone.now()
    return accounts.create_administrator(new, by=chief.username, now=now, requested_by=chief)


def set_roles(user, *keys, by):
    return accounts.set_roles(user.pk, list(keys), by=by, now=timezone.now())


def choose_password(user):
    user = User.objects.get(pk=user.pk)
    setup_links.change_password(user, "a sentence of several words")


@pytest.mark.parametrize("role", [SUPER, CA_ADMIN])
def test_a_new_administrator_gets_such_a_role_from_a_second_one(chief, deputy, role):
    eve, _link = create(chief, role, "auditor")
    assert roles(eve) == ["auditor"]
    now = timezone.now()
    with pytest.raises(Refused, match="has not chosen a password"):
        role_requests.approve(eve.pk, by=deputy, now=now)
    choose_password(eve)
    for same in (chief, User.objects.get(pk=eve.pk)):
        with pytest.raises(Refused, match="Another administrator must approve"):
            role_requests.approve(eve.pk, by=same, now=now)
    role_requests.approve(eve.pk, by=deputy, now=now)
    assert roles(eve) == ([SUPER] if role == SUPER else [role, "auditor"])
    assert Entry.objects.filter(action="confirm-roles").get().note == "eve, requested by chief"
    with pytest.raises(Conflict):
        role_requests.approve(eve.pk, by=deputy, now=now)


def test_a_role_that_is_added_needs_approval_and_others_do_not(chief, deputy):
    eve = factories.user("eve")
    set_roles(eve, SUPER, "deployer", by=chief)
    assert roles(eve) == ["deployer"]
    set_roles(eve, "viewer", by=chief)
    assert not RoleRequest.objects.exists()
    assert roles(eve) == ["viewer"]


def test_only_a_super_administrator_approves_one(chief, deputy):
    eve, helper = factories.user("eve"), factories.user("helper", "people.administer")
    set_roles(eve, SUPER, by=chief)
    with pytest.raises(Forbidden):
        role_requests.approve(eve.pk, by=helper, now=timezone.now())


def test_a_request_is_rejected_withdrawn_or_expires(chief, deputy):
    eve, now = factories.user("eve"), timezone.now()
    for by, action in ((deputy, "refuse-roles"), (chief, "withdraw-roles")):
        set_roles(eve, SUPER, by=chief)
        role_requests.reject(eve.pk, by=by, now=now)
        assert Entry.objects.filter(action=action).count() == 1
    set_roles(eve, SUPER, by=chief)
    with pytest.raises(Conflict, match="No roles are waiting"):
        role_requests.approve(eve.pk, by=deputy, now=now + timedelta(hours=25))
    assert roles(eve) == []


@pytest.mark.parametrize("way", ["setup link", "temporary password", "second factor"])
def test_a_reset_login_has_no_such_role_until_a_third_approves(chief, deputy, way, monkeypatch):
    """Otherwise, the requester could log in as the second administrator and approve."""
    third, now = factories.admin("third"), timezone.now()
    monkeypatch.setattr("administrators.login.second_factor.is_on", lambda _user: True)
    if way == "setup link":
        accounts.create_setup_link(deputy.pk, by=chief, now=now)
    elif way == "temporary password":
        accounts.create_temporary_password(deputy.pk, by=chief, now=now)
    else:
        accounts.reset_second_factor(deputy.pk, by=chief, now=now)
    assert roles(deputy) == []
    job = key_operations.back_up("a long enough passphrase", by=chief)
    with pytest.raises(Forbidden):
        approvals.approve_job(job, by=User.objects.get(pk=deputy.pk), now=now)
    choose_password(deputy)
    with pytest.raises(Refused):
        role_requests.approve(deputy.pk, by=chief, now=now)
    role_requests.approve(deputy.pk, by=third, now=now)
    assert roles(deputy) == [SUPER]


def test_without_the_rule_nothing_waits(chief):
    eve, _link = create(chief, SUPER)
    assert roles(eve) == [SUPER]


def test_the_page_shows_the_request_and_another_administrator_decides(chief, deputy):
    eve = factories.user("eve")
    path = f"/configuration/administrators/{eve.pk}/"
    own, other = clients.log_in(chief), clients.log_in(deputy)
    assert own.post(f"{path}roles/", {"roles": [SUPER]}).status_code == 302
    assert "chief has requested more roles" in own.get(path).content.decode()
    assert "Roles of eve is waiting" in other.get("/").content.decode()
    assert "Another administrator must" in own.post(f"{path}roles/approve/").content.decode()
    assert roles(eve) == []
    assert other.get(f"{path}roles/approve/").status_code == 200
    assert other.post(f"{path}roles/approve/").status_code == 302
    assert roles(eve) == [SUPER]
    assert own.post(f"{path}roles/reject/").status_code == 409


def test_the_reason_of_a_rejection_is_in_the_audit_log(chief, deputy, enter):
    eve = factories.user("eve")
    set_roles(eve, SUPER, by=chief)
    path = f"/configuration/administrators/{eve.pk}/roles/reject/"
    assert 'name="reason"' not in enter(chief).get(path).content.decode(), "this is a withdrawal"
    client = enter(deputy)
    assert 'name="reason"' in client.get(path).content.decode()
    assert client.post(path, {"reason": "Eve is leaving."}).status_code == 302
    assert Entry.objects.get(action="refuse-roles").note == "eve, Eve is leaving."


def test_a_request_is_a_notification(chief, deputy):
    Target.objects.create(kind="mail", name="Admins", events=list(events.DEFAULT_EVENTS))
    schedule.create_notifications()
    set_roles(factories.user("eve"), SUPER, by=chief)
    schedule.create_notifications()
    assert Delivery.objects.filter(event=events.APPROVAL_NEEDED).count() == 1


def test_an_altered_request_is_not_approved(chief, deputy):
    eve = factories.user("eve")
    set_roles(eve, CA_ADMIN, by=chief)
    request = RoleRequest.objects.get()
    sql.change(request, requested_by_id=eve.pk)
    with pytest.raises(RowAltered):
        role_requests.approve(eve.pk, by=deputy, now=timezone.now())


def test_the_command_line_of_a_primary_server_approves(chief, deputy):
    """For a zone with two administrators, of whom one has lost the password."""
    accounts.create_temporary_password(deputy.pk, by=chief, now=timezone.now())
    with pytest.raises(CommandError, match="has not chosen a password"):
        call_command("approve_roles", "deputy")
    choose_password(deputy)
    out = StringIO()
    call_command("approve_roles", "deputy", stdout=out)
    assert "Super Administrator" in out.getvalue()
    assert roles(deputy) == [SUPER]
    with pytest.raises(CommandError, match="No administrator"):
        call_command("approve_roles", "nobody")
