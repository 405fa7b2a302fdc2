"""The stages of a cutover, which contain the stages of the operation, have one count of devices."""

import pytest

from certificates.operations.states import AuthorityState, OperationState
from certificates.progress import counts, progress, stages
from certificates.trust import devices_at_risk
from devices.models import Device
from systemupdates.updates.states import AssignmentState
from tests.support import factories

pytestmark = pytest.mark.django_db
S, A = OperationState, AssignmentState
TOTAL = 13


@pytest.fixture
def operation(ca):
    """A Remint CA of 13 devices. 9 have applied it, and pc-10 trusts both CAs without the update.

    That is so after pc-10 was reinstalled: it registered with both roots, and the update was
    assigned to it once more.
    """
    new = factories.authority(ca.certificate_server, name="NEW", state=AuthorityState.FUTURE)
    made = factories.operation(ca, state=S.ASSIGNED, future_authority=new)
    made.update.assigned_at = factories.now()
    made.update.save()
    devices = [ca.certificate_server, *(factories.device(f"pc-{n:02}") for n in range(2, 14))]
    for number, device in enumerate(devices, start=1):
        factories.assignment(made.update, device, A.APPLIED if number <= 9 else A.ASSIGNED)
    Device.objects.filter(name="pc-10").update(trusted_sha256=[ca.sha256, new.sha256])
    return made


def get_trust_stage(operation):
    """Return the stage Trust, and the stage Apply to devices that it contains."""
    found = counts.get_counts([operation], now=factories.now())[operation.pk]
    steps = progress.get_stages(operation, found)
    trust = devices_at_risk.count_trust(operation)
    stage = stages.get_cutover_stages(operation, trust, steps)[0]
    return stage, stage.steps[3]


def test_a_reinstalled_device_is_counted_once(operation):
    found = counts.get_counts([operation], now=factories.now())[operation.pk]
    assert found.applied() == (9, TOTAL), "the case that has two counts"
    stage, step = get_trust_stage(operation)
    assert (stage.note, stage.share) == ("10 of 13 devices trust both CAs", (10, TOTAL))
    assert (step.note, step.share, step.mark) == ("", None, "now")


def test_the_page_of_the_operation_shows_one_count(operation, admin_client):
    address = f"/configuration/certificates/operations/{operation.pk}/"
    page = admin_client.get(address).content.decode()
    assert page.count("10 of 13") == 1
    assert "10 of 13 devices trust both CAs" in page
    assert "<b>Apply to devices</b>" in page
    assert "9 of 13" not in page


def test_the_other_pages_count_who_has_applied_the_update(operation, admin_client):
    """These numbers are those of Status by Device. No page shows both."""
    for address in ("/", "/configuration/certificates/"):
        page = admin_client.get(address).content.decode()
        assert "9 of 13" in page
        assert "10 of 13" not in page


def test_a_stage_and_what_it_contains_are_done_at_the_same_time(operation):
    Device.objects.update(trusted_sha256=[operation.future_authority.sha256])
    stage, step = get_trust_stage(operation)
    assert (stage.mark, stage.note) == ("done", "13 of 13 devices trust both CAs")
    assert (step.mark, step.note) == ("done", "")


def test_an_update_that_is_not_assigned_yet_has_no_count(operation):
    operation.update.assigned_at = None
    operation.state = S.REPLICATING
    operation.update.assignments.all().delete()
    _stage, step = get_trust_stage(operation)
    assert (step.note, step.share) == ("after assignment", None)


def test_a_blocked_stage_stays_marked(operation):
    operation.state = S.BLOCKED
    stage, step = get_trust_stage(operation)
    assert (stage.mark, step.mark, step.note) == ("now", "bad", "")


def test_without_a_new_ca_the_step_has_its_own_count(operation):
    """No device can trust a CA that does not exist yet, so the stage counts none."""
    operation.future_authority = None
    stage, step = get_trust_stage(operation)
    assert stage.share == (0, 0)
    assert (step.note, step.share) == ("9 of 13", (9, TOTAL))
