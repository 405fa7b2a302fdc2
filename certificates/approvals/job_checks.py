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


def is_authentic(job: VaultJob) -> bool:
    """Return True if ZCC created the job, for these servers. Otherwise, raise the alarm.

    `job` must just have been loaded. A job that is not authentic is not changed: it is evidence.
    """
    rows = [row for row in (job, job.server, job.authority, job.target) if row is not None]
    if not all(map(alarms.is_authentic, rows)):
        return False
    if _has_approvals(job):
        return True
    alarms.record(job._meta.label, job.pk, str(job))
    return False


def _has_approvals(job: VaultJob) -> bool:
    """Return True if administrators with the right requested the job and, if required, approved it.

    The console checks the same when the job is created and approved.
    """
    first, second = job.requested_by, job.approved_by
    if first is not None and not _has_right(first):
        return False
    needs_second = Policies.objects.get_current().two_administrators
    if not needs_second or job.kind == VaultJob.Kind.ADOPT:
        return True
    return second is not None and second != first and _has_right(second)


def _has_right(user: User) -> bool:
    return user.is_active and account_macs.is_authentic(user) and user.has_perm(CA_RIGHT)
