"""The requests that are waiting for approval, as listed on Home."""

from django.utils import timezone

from certificates.approvals import approvals, pending_requests
from certificates.authority import key_operations
from tests.support import walkthrough


def test_each_request_is_listed_with_the_page_on_which_it_is_decided(two):
    job = key_operations.back_up("seven quiet lakes", by=two[0])
    operation = walkthrough.remint_ca()
    operation.requested_action = approvals.FORCE
    found = pending_requests.list_requests([operation], [job], [operation], timezone.now())
    wait = "is waiting for approval by a second administrator."
    page = "/configuration/certificates/"
    assert [(one.text, one.url) for one in found] == [
        (f"The Remint CA operation {wait}", page),
        (f"Backup CA {wait}", page),
        (f"{operation.name}: Force Activation {wait}", f"{page}operations/{operation.pk}/"),
    ]


def test_an_operation_that_has_started_is_not_listed(zone):
    operation = walkthrough.remint_ca()
    assert pending_requests.list_requests([operation], [], [], timezone.now()) == []
