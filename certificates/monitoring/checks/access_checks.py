"""Health checks of administrators, keys with which hosts register, and notifications."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from django.contrib.auth.models import User
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from administrators.models import Administrator, roles_of
from audit.models import SyslogServer
from certificates.models import AcmeAccountKey
from certificates.monitoring.checks.findings import BAD, MAX_FINDINGS, WARNING, Finding
from devices.models import RegistrationKey, Zone
from notifications.channels import mail
from notifications.mail_server.settings import is_configured
from notifications.models import Delivery, DeliveryState, Target

CA_RIGHT = "certificates.certificate_authority"
FAILED_DELIVERY_AGE = timedelta(days=1)
FORWARDING_GRACE = timedelta(minutes=10)


def check_notifications(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find a zone in which no one is notified."""
    page = reverse("notifications:list")
    active = Target.objects.filter(active=True)
    if not active.exists():
        yield Finding(
            WARNING,
            _("No one is notified of failures, expirations, and blocked operations."),
            _("Create an email target or a webhook."),
            page,
        )
    elif not is_configured() and active.filter(kind=Target.Kind.MAIL).exists():
        yield Finding(
            BAD,
            _("Email targets exist, but no mail server is configured. No email is sent."),
            _("Set the mail server on the page Notifications, or create a webhook."),
            page,
            subject="mail",
        )
    else:
        yield from _find_targets_without_recipients(active, page)


def _find_targets_without_recipients(active: QuerySet[Target], page: str) -> Iterator[Finding]:
    """Find email targets for all CA administrators, of whom no one has an email address."""
    target = active.filter(kind=Target.Kind.MAIL, recipients="").order_by("pk").first()
    if target is not None and not mail.list_recipients(target):
        yield Finding(
            WARNING,
            _(
                "The email target %s has no recipients, because no CA administrator has an email "
                "address."
            )
            % target.name,
            _("Enter the email address of an administrator, or the recipients of the target."),
            page,
            subject="recipients",
        )


def check_deliveries(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find notifications of the last day that could not be delivered."""
    failed = Delivery.objects.filter(
        state=DeliveryState.FAILED, created_at__gt=now - FAILED_DELIVERY_AGE, target__active=True
    )
    count = failed.count()
    if not count:
        return
    text = ngettext(
        "%(count)s notification of the last 24 hours could not be delivered to %(name)s.",
        "%(count)s notifications of the last 24 hours could not be delivered, the last one to "
        "%(name)s.",
        count,
    )
    last = failed.select_related("target").latest("created_at")
    yield Finding(
        WARNING,
        text % {"count": intcomma(count), "name": last.target.name},
        _("Open the notification to read the reason, and correct the target."),
        f"{reverse('notifications:list')}?state=failed",
    )


def check_forwarding(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find a syslog server that does not receive the audit log."""
    server = SyslogServer.objects.get_server()
    if server is None or server.failed_since is None:
        return
    if now - server.failed_since < FORWARDING_GRACE:
        return
    yield Finding(
        WARNING,
        _("The syslog server %s does not receive audit entries.") % server,
        _("Open Audit Log Forwarding to read the reason. Entries are kept and sent later."),
        reverse("audit:forwarding"),
        subject=str(server),
    )


def check_super_administrators(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find a zone in which one lost password locks everyone out of the administration."""
    users = User.objects.filter(is_superuser=True, is_active=True)
    if users.count() > 1:
        return
    yield Finding(
        WARNING,
        _("The zone has one Super Administrator only."),
        _("Create a second one, who can help if the first one is locked out or absent."),
        reverse("administrators:list"),
    )


def check_second_factors(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find administrators of the CA who log in with a password alone."""
    # Django does not know the rights of roles.
    direct = User.objects.with_perm(CA_RIGHT, backend="django.contrib.auth.backends.ModelBackend")
    named = set(direct.values_list("pk", flat=True))
    users = (
        User.objects.filter(is_active=True)
        .exclude(second_factor__confirmed_at__isnull=False)
        .filter(Q(account_mac=None) | Q(account_mac__passkeys=""))
        .exclude(administrator__login_method=Administrator.LoginMethod.OIDC)
        .select_related("administrator")
        .order_by("username")
    )
    able = (
        user
        for user in users
        if user.pk in named or any(CA_RIGHT in role.rights for role in roles_of(user))
    )
    for user in islice(able, MAX_FINDINGS):
        yield Finding(
            WARNING,
            _("%s can replace the zone CA with a password alone.") % user.get_username(),
            _("Ask them to turn on two-factor authentication, or require it for everyone."),
            reverse("administrators:list"),
            subject=str(user.pk),
        )


def check_registration_keys(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find registration keys that never expire."""
    keys = RegistrationKey.objects.usable(now).filter(expires_at=None).order_by("pk")
    for key in keys[:MAX_FINDINGS]:
        yield Finding(
            WARNING,
            _("The registration key %s never expires.") % key.label,
            _("Revoke it if it is no longer needed, and create keys with an expiration."),
            reverse("zone:keys"),
            subject=str(key.pk),
        )


def check_acme_account_keys(zone: Zone, now: datetime) -> Iterator[Finding]:
    """Find ACME account keys that never expire."""
    keys = AcmeAccountKey.objects.usable(now).filter(expires_at=None).order_by("pk")
    for key in keys[:MAX_FINDINGS]:
        yield Finding(
            WARNING,
            _("The ACME account key %s never expires.") % key.label,
            _("Disable it if no host needs it, and create keys with an expiration."),
            reverse("certificates:acme_accounts"),
            subject=str(key.pk),
        )
