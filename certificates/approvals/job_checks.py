"""What the worker verifies before it uses the CA key for a job.

The job is a row that another process wrote. So the worker checks that the row is authentic, that
the administrators have the right, and that a second one has approved it where the zone requires it.

See: D-170
"""

from __future__ import annotations

from django.contrib.auth.models import User

from administrators.accounts.policies import CA_RIGHT
from administrators.models import Policies
from administrators.protection import account_macs
from audit.rows import alarms
from certificates.models import VaultJob

NOT_APPROVED = (
    "An administrator who requested or approved it no longer has the right, or the approval of a "
    "second administrator is required now. Nothing was changed."
)


def is_authentic(job: VaultJob) -> bool:
    """Return True if ZCC created the job, for these servers and users. Otherwise, raise the alarm.

    `job` must just have been loaded. A job that is not authentic is not changed: it is evidence.
    """
    rows = [row for row in (job, job.server, job.authority, job.target) if row is not None]
    if not all(map(alarms.is_authentic, rows)):
        return False
    users = [user for user in (job.requested_by, job.approved_by) if user is not None]
    # The console never lets the requester approve.
    is_own_approval = job.requested_by is not None and job.requested_by == job.approved_by
    if all(map(account_macs.is_authentic, users)) and not is_own_approval:
        return True
    alarms.record(job._meta.label, job.pk, str(job))
    return False


def has_approvals(job: VaultJob) -> bool:
    """Return True if administrators with the right requested the job and, if required, approved it.

    The console checks the same when the job is created and approved. Rights and policies can have
    changed since then.
    """
    first, second = job.requested_by, job.approved_by
    if first is not None and not _has_right(first):
        return False
    needs_second = Policies.objects.get_current().two_administrators
    if not needs_second or job.kind == VaultJob.Kind.ADOPT:
        return True
    return second is not None and second != first and _has_right(second)


def _has_right(user: User) -> bool:
    return user.is_active and user.has_perm(CA_RIGHT)
