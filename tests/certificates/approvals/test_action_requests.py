"""Two-administrator approval of Force Activation and Roll Back."""

from datetime import timedelta

import pytest
from django.utils import timezone

from administrators.models import Policies
from audit.models import Entry
from certificates import tasks
from certificates.approvals import approvals
from certificates.models import Operation
from certificates.monitoring import notifications
from certificates.operations.states import OperationState
from faults import Conflict, Forbidden, Refused
from notifications.delivery import events
from notifications.models import Delivery, Target
from notifications.targets import targets
from tests.certificates.approvals.test_approvals import browser
from tests.support import factories, walkthrough
from wire import messages

pytestmark = pytest.mark.django_db
CA = "certificates.certificate_authority"
P = OperationState
PAGE = "/configuration/certificates/"


def started(first, second, **changes):
    operation = walkthrough.remint_ca(**changes)
    Operation.objects.filter(pk=operation.pk).update(requested_by=first)
    operation = walkthrough.fresh(operation)
    approvals.approve_operation(operation, by=second, now=timezone.now())
    return walkthrough.fresh(operation)


@pytest.fixture
def blocked(two, zone):
    """One of two servers has no new certificate when the freeze period begins."""
    zone.join("ps-02", messages.PRIMARY, "127.9.0.2").refresh()
    operation = started(*two)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    future = operation.futures.get(device__name="ps-02")
    walkthrough.sign(zone, operation.future_authority)
    operation.futures.filter(pk=future.pk).update(state="awaited", csr_pem="", chain_pem="")
    operation = walkthrough.step(operation, minutes=9, seconds=45)
    assert operation.state == P.BLOCKED
    return operation


@pytest.fixture
def completed(two, zone):
    operation = started(*two)
    walkthrough.prepare(zone, operation)
    walkthrough.replicate(zone, operation)
    operation = walkthrough.step(operation)
    walkthrough.apply(zone, operation)
    walkthrough.sign(zone, operation.future_authority)
    return walkthrough.cut_over(zone, operation)


def force(operation, by):
    approvals.run_or_request(operation, approvals.FORCE, by=by, now=timezone.now())
    return walkthrough.fresh(operation)


def test_force_runs_when_the_second_administrator_approves(two, blocked):
    first, second = two
    asked = force(blocked, first)
    assert (asked.state, asked.forced, asked.requested_action) == (
        P.BLOCKED,
        False,
        approvals.FORCE,
    )
    approvals.approve_action(asked, approvals.FORCE, by=second, now=timezone.now())
    done = walkthrough.fresh(blocked)
    assert (done.state, done.forced, done.requested_action) == (P.ASSIGNED, True, "")
    note = Entry.objects.get(action="confirm-force").note
    assert note == "requested by first"


def test_roll_back_runs_when_the_second_administrator_approves(two, completed):
    first, second = two
    before = completed.state
    approvals.run_or_request(completed, approvals.ROLL_BACK, by=first, now=timezone.now())
    assert walkthrough.fresh(completed).state == before
    approvals.approve_action(completed, approvals.ROLL_BACK, by=second, now=timezone.now())
    assert walkthrough.fresh(completed).state == P.ROLLING_BACK


def test_neither_the_requester_nor_a_user_without_the_right_can_approve(two, blocked):
    asked = force(blocked, two[0])
    with pytest.raises(Refused, match="second administrator"):
        approvals.approve_action(asked, approvals.FORCE, by=two[0], now=timezone.now())
    with pytest.raises(Forbidden):
        approvals.approve_action(
            asked, approvals.FORCE, by=factories.user("reader"), now=timezone.now()
        )
    assert walkthrough.fresh(blocked).state == P.BLOCKED
    assert walkthrough.fresh(blocked).requested_action == approvals.FORCE


def test_only_the_requested_action_can_be_approved(two, blocked):
    with pytest.raises(Conflict):
        approvals.approve_action(blocked, approvals.FORCE, by=two[1], now=timezone.now())
    asked = force(blocked, two[0])
    with pytest.raises(Conflict):
        approvals.approve_action(asked, approvals.ROLL_BACK, by=two[1], now=timezone.now())
    with pytest.raises(Conflict, match="already"):
        force(asked, two[1])


def test_an_action_that_is_not_possible_cannot_be_requested(two, completed):
    with pytest.raises(Conflict, match="The activation is not blocked"):
        force(completed, two[0])
    assert not Entry.objects.filter(action="ask-force").exists()


def test_the_action_is_checked_again_when_it_is_approved(two, blocked):
    asked = force(blocked, two[0])
    Operation.objects.filter(pk=asked.pk).update(state=P.ASSIGNED)
    with pytest.raises(Conflict, match="The activation is not blocked"):
        approvals.approve_action(asked, approvals.FORCE, by=two[1], now=timezone.now())
    assert walkthrough.fresh(asked).requested_action == approvals.FORCE, (
        "a rejected approval does not change the request"
    )


def test_the_action_runs_immediately_without_two_administrator_approval(two, blocked):
    Policies.objects.update(two_administrators=False)
    assert force(blocked, two[0]).forced


def test_the_requester_can_withdraw_and_the_second_can_reject(two, blocked):
    for who, action in ((two[0], "withdraw-force"), (two[1], "refuse-force")):
        asked = force(walkthrough.fresh(blocked), two[0])
        approvals.reject_action(asked, approvals.FORCE, by=who, now=timezone.now())
        assert walkthrough.fresh(blocked).requested_action == ""
        assert Entry.objects.filter(action=action).count() == 1


def test_a_request_expires_after_24_hours(two, completed):
    approvals.run_or_request(completed, approvals.ROLL_BACK, by=two[0], now=timezone.now())
    later = timezone.now() + timedelta(hours=24)
    with pytest.raises(Conflict):
        approvals.approve_action(completed, approvals.ROLL_BACK, by=two[1], now=later)
    approvals.expire_action_requests(later - timedelta(seconds=2))
    assert walkthrough.fresh(completed).requested_action == approvals.ROLL_BACK
    approvals.expire_action_requests(later)
    assert walkthrough.fresh(completed).requested_action == ""
    assert "24 hours" in Entry.objects.get(action="drop-roll-back").note


def test_a_request_that_is_no_longer_possible_expires(two, blocked):
    force(blocked, two[0])
    Operation.objects.filter(pk=blocked.pk).update(state=P.ASSIGNED)
    tasks.schedule_work()
    assert walkthrough.fresh(blocked).requested_action == ""
    assert "no longer available" in Entry.objects.get(action="drop-force").note


def test_a_server_remint_can_be_forced_by_one_administrator(two, zone):
    operation = walkthrough.remint_servers(zone.first)
    walkthrough.prepare(zone, operation)
    Operation.objects.filter(pk=operation.pk).update(state=P.BLOCKED)
    operation.futures.update(state="created")
    assert force(walkthrough.fresh(operation), two[0]).forced


def test_the_pages_request_show_and_decide(two, blocked):
    first, second = two
    theirs, mine = browser(first), browser(second)
    there = f"{PAGE}operations/{blocked.pk}/force/"
    assert theirs.post(there).status_code == 422, "the checkbox is not selected"
    assert walkthrough.fresh(blocked).requested_action == ""
    assert theirs.post(there, {"confirm": "on"}).status_code == 302
    assert walkthrough.fresh(blocked).requested_action == approvals.FORCE
    confirm = f"{PAGE}operations/{blocked.pk}/confirm/force/"
    assert "Force Activation is waiting for approval by a second" in mine.get("/").content.decode()
    assert confirm in mine.get(PAGE).content.decode()
    assert "Withdraw" in theirs.get(confirm).content.decode()
    assert (
        "Servers that keep their current certificate</dt><dd>ps-02<"
        in mine.get(confirm).content.decode()
    )
    assert mine.get(there).status_code == 409, "the button is unavailable"
    assert mine.post(confirm, {"do": "refuse"}).status_code == 302
    assert walkthrough.fresh(blocked).requested_action == ""
    theirs.post(there, {"confirm": "on"})
    assert mine.post(confirm).status_code == 302
    assert walkthrough.fresh(blocked).forced


def test_the_approval_of_a_roll_back_shows_the_previous_ca(two, completed):
    operation = walkthrough.fresh(completed)
    approvals.run_or_request(operation, approvals.ROLL_BACK, by=two[0], now=timezone.now())
    there = f"{PAGE}operations/{operation.pk}/confirm/roll-back/"
    shown = browser(two[1]).get(there).content.decode()
    assert f"Zone CA after rollback</dt><dd>{operation.authority.subject}<" in shown


def test_enter_approves_instead_of_rejecting(two, blocked):
    """Check the order of the buttons: Enter activates the first submit button of a form."""
    force(blocked, two[0])
    shown = browser(two[1]).get(f"{PAGE}operations/{blocked.pk}/confirm/force/").content.decode()
    dialog = shown[shown.index('class="body"') :]
    assert dialog.index(">Approve</button>") < dialog.index('value="refuse"')


def test_a_job_can_be_rejected_on_its_page(two):
    from certificates.authority import key_operations
    from certificates.models import VaultJob

    job = key_operations.back_up("a passphrase of many words", by=two[0])
    confirm = f"{PAGE}jobs/{job.pk}/confirm/"
    assert browser(two[1]).post(confirm, {"do": "refuse"}).status_code == 302
    assert VaultJob.objects.get().reason == "second rejected the request. Nothing was changed."


@pytest.mark.parametrize("what", ["action", "job"])
def test_a_pending_request_is_notified(two, blocked, what):
    from certificates.authority import key_operations

    targets.create_target(
        Target.Kind.MAIL,
        targets.TargetSettings("team", [events.APPROVAL_NEEDED], recipients="a@acme.example"),
    )
    notifications.create_notifications(timezone.now())
    if what == "action":
        force(blocked, two[0])
    else:
        key_operations.back_up("a passphrase of many words", by=two[0])
    notifications.create_notifications(timezone.now())
    title = Delivery.objects.get().title
    assert title.startswith("Backup CA" if what == "job" else blocked.name)
    assert "is waiting for approval by a second administrator" in title
