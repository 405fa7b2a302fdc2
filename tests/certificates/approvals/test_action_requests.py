"""Force and Roll back where two administrators are needed (B-29, S-46)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from administrators.models import Rules
from audit.models import Entry
from certificates import tasks
from certificates.approvals import approvals
from certificates.approvals import approvals as certificates_approvals
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
    """One of two servers has no new certificate at the lock-out."""
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
    certificates_approvals.do_or_ask(
        operation, certificates_approvals.FORCE, by=by, now=timezone.now()
    )
    return walkthrough.fresh(operation)


def test_force_is_asked_for_and_done_when_the_second_agrees(two, blocked):
    first, second = two
    asked = force(blocked, first)
    assert (asked.state, asked.forced, asked.asked_act) == (
        P.BLOCKED,
        False,
        certificates_approvals.FORCE,
    )
    certificates_approvals.approve_action(
        asked, certificates_approvals.FORCE, by=second, now=timezone.now()
    )
    done = walkthrough.fresh(blocked)
    assert (done.state, done.forced, done.asked_act) == (P.ASSIGNED, True, "")
    note = Entry.objects.get(action="confirm-force").note
    assert note == "asked for by first"


def test_roll_back_is_asked_for_and_done_when_the_second_agrees(two, completed):
    first, second = two
    before = completed.state
    certificates_approvals.do_or_ask(
        completed, certificates_approvals.ROLL_BACK, by=first, now=timezone.now()
    )
    assert walkthrough.fresh(completed).state == before
    certificates_approvals.approve_action(
        completed, certificates_approvals.ROLL_BACK, by=second, now=timezone.now()
    )
    assert walkthrough.fresh(completed).state == P.ROLLING_BACK


def test_the_first_cannot_confirm_and_nobody_without_the_right(two, blocked):
    asked = force(blocked, two[0])
    with pytest.raises(Refused, match="second administrator"):
        certificates_approvals.approve_action(
            asked, certificates_approvals.FORCE, by=two[0], now=timezone.now()
        )
    with pytest.raises(Forbidden):
        certificates_approvals.approve_action(
            asked, certificates_approvals.FORCE, by=factories.user("reader"), now=timezone.now()
        )
    assert walkthrough.fresh(blocked).state == P.BLOCKED
    assert walkthrough.fresh(blocked).asked_act == certificates_approvals.FORCE


def test_what_was_not_asked_for_cannot_be_confirmed(two, blocked):
    with pytest.raises(Conflict):
        certificates_approvals.approve_action(
            blocked, certificates_approvals.FORCE, by=two[1], now=timezone.now()
        )
    asked = force(blocked, two[0])
    with pytest.raises(Conflict):
        certificates_approvals.approve_action(
            asked, certificates_approvals.ROLL_BACK, by=two[1], now=timezone.now()
        )
    with pytest.raises(Conflict, match="already"):
        force(asked, two[1])


def test_what_is_not_possible_is_not_asked_for(two, completed):
    with pytest.raises(Conflict, match="Nothing holds"):
        force(completed, two[0])
    assert not Entry.objects.filter(action="ask-force").exists()


def test_it_is_looked_at_again_when_the_second_agrees(two, blocked):
    asked = force(blocked, two[0])
    Operation.objects.filter(pk=asked.pk).update(state=P.ASSIGNED)
    with pytest.raises(Conflict, match="Nothing holds"):
        certificates_approvals.approve_action(
            asked, certificates_approvals.FORCE, by=two[1], now=timezone.now()
        )
    assert walkthrough.fresh(asked).asked_act == certificates_approvals.FORCE, (
        "a refused act changes nothing"
    )


def test_without_the_rule_it_is_done_at_once(two, blocked):
    Rules.objects.update(two_administrators=False)
    assert force(blocked, two[0]).forced


def test_either_of_both_gives_it_up(two, blocked):
    for who, action in ((two[0], "withdraw-force"), (two[1], "refuse-force")):
        asked = force(walkthrough.fresh(blocked), two[0])
        certificates_approvals.reject_action(
            asked, certificates_approvals.FORCE, by=who, now=timezone.now()
        )
        assert walkthrough.fresh(blocked).asked_act == ""
        assert Entry.objects.filter(action=action).count() == 1


def test_after_a_day_it_is_dropped(two, completed):
    certificates_approvals.do_or_ask(
        completed, certificates_approvals.ROLL_BACK, by=two[0], now=timezone.now()
    )
    later = timezone.now() + timedelta(hours=24)
    with pytest.raises(Conflict):
        certificates_approvals.approve_action(
            completed, certificates_approvals.ROLL_BACK, by=two[1], now=later
        )
    certificates_approvals.expire_action_requests(later - timedelta(seconds=2))
    assert walkthrough.fresh(completed).asked_act == certificates_approvals.ROLL_BACK
    certificates_approvals.expire_action_requests(later)
    assert walkthrough.fresh(completed).asked_act == ""
    assert "24 hours" in Entry.objects.get(action="drop-roll-back").note


def test_the_sweep_drops_what_is_not_possible_any_more(two, blocked):
    force(blocked, two[0])
    Operation.objects.filter(pk=blocked.pk).update(state=P.ASSIGNED)
    tasks.sweep()
    assert walkthrough.fresh(blocked).asked_act == ""
    assert "not possible any more" in Entry.objects.get(action="drop-force").note


def test_a_server_remint_is_forced_by_one(two, zone):
    operation = walkthrough.remint_servers(zone.first)
    walkthrough.prepare(zone, operation)
    Operation.objects.filter(pk=operation.pk).update(state=P.BLOCKED)
    operation.futures.update(state="created")
    assert force(walkthrough.fresh(operation), two[0]).forced


def test_the_pages_ask_show_and_decide(two, blocked):
    first, second = two
    theirs, mine = browser(first), browser(second)
    there = f"{PAGE}operations/{blocked.pk}/force/"
    assert theirs.post(there).status_code == 302
    assert walkthrough.fresh(blocked).asked_act == certificates_approvals.FORCE
    confirm = f"{PAGE}operations/{blocked.pk}/confirm/force/"
    assert "Force activation waits for a second" in mine.get("/").content.decode()
    assert confirm in mine.get(PAGE).content.decode()
    assert "Withdraw" in theirs.get(confirm).content.decode()
    assert "Keep their old certificate</dt><dd>ps-02<" in mine.get(confirm).content.decode()
    assert mine.get(there).status_code == 409, "the button is shut meanwhile"
    assert mine.post(confirm, {"do": "refuse"}).status_code == 302
    assert walkthrough.fresh(blocked).asked_act == ""
    theirs.post(there)
    assert mine.post(confirm).status_code == 302
    assert walkthrough.fresh(blocked).forced


def test_who_confirms_a_roll_back_sees_which_ca_comes_back(two, completed):
    operation = walkthrough.fresh(completed)
    certificates_approvals.do_or_ask(
        operation, certificates_approvals.ROLL_BACK, by=two[0], now=timezone.now()
    )
    there = f"{PAGE}operations/{operation.pk}/confirm/roll-back/"
    shown = browser(two[1]).get(there).content.decode()
    assert f"Zone CA again</dt><dd>{operation.authority.subject}<" in shown


def test_enter_does_not_refuse(two, blocked):
    """A browser presses the first submit button of a form."""
    force(blocked, two[0])
    shown = browser(two[1]).get(f"{PAGE}operations/{blocked.pk}/confirm/force/").content.decode()
    dialog = shown[shown.index('class="body"') :]
    assert dialog.index(">Confirm</button>") < dialog.index('value="refuse"')


def test_a_job_is_refused_on_its_page(two):
    from certificates.authority import key_operations
    from certificates.models import VaultJob

    job = key_operations.back_up("a passphrase of many words", by=two[0])
    confirm = f"{PAGE}jobs/{job.pk}/confirm/"
    assert browser(two[1]).post(confirm, {"do": "refuse"}).status_code == 302
    assert VaultJob.objects.get().reason == "second refused it. Nothing was changed."


@pytest.mark.parametrize("what", ["act", "job"])
def test_who_is_to_be_notified_hears_of_what_waits(two, blocked, what):
    from certificates.authority import key_operations

    targets.create(
        Target.Kind.MAIL, targets.Order("team", [events.WAITS], recipients="a@acme.example")
    )
    notifications.tell(timezone.now())
    if what == "act":
        force(blocked, two[0])
    else:
        key_operations.back_up("a passphrase of many words", by=two[0])
    notifications.tell(timezone.now())
    title = Delivery.objects.get().title
    assert title.startswith("Backup CA" if what == "job" else blocked.name)
    assert "waits for a second administrator" in title
