"""The page ACME Accounts: account keys, and the dialog that disables one.

See: D-300, D-313
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from certificates.acme.account_keys import keys
from certificates.acme.account_keys.forms import AccountKeyForm
from certificates.acme.protocol.server_names import build_directory_url, build_url
from certificates.authority import gates
from certificates.est.urls import PATH as EST_PATH
from certificates.models import AcmeAccountKey
from console.pages.forms import ReauthenticationForm
from console.pages.listing import Table
from console.pages.paging import sort_rows
from console.pages.responses import (
    close_dialog,
    render_dialog,
    render_once,
    require_right,
    show_faults_on,
)
from console.pages.tables import Column, TableQuery
from devices.middleware import ZoneRequest

may_manage = require_right(gates.CA_RIGHT, gates.CA_RIGHT_LABEL)


def get_protocols(key: AcmeAccountKey) -> str:
    """Return the protocols with which hosts can use a key."""
    return "ACME, EST" if key.allows_est else "ACME"


KEYS = Table(
    "acme-account-keys",
    (
        Column("name", gettext_lazy("Name"), "label"),
        Column("permitted", gettext_lazy("Permitted names")),
        Column("protocols", gettext_lazy("Protocols"), "allows_est"),
        Column("state", gettext_lazy("Status")),
        Column("accounts", gettext_lazy("Accounts"), "account_count"),
        Column("until", gettext_lazy("Registration until"), "expires_at"),
        Column("created", gettext_lazy("Created"), "created_at"),
    ),
    (
        (gettext_lazy("Name"), lambda key: key.label),
        (gettext_lazy("Key ID"), lambda key: key.key_id),
        (gettext_lazy("Permitted names"), lambda key: key.names),
        (gettext_lazy("Protocols"), get_protocols),
        (gettext_lazy("Accounts"), lambda key: key.account_count),
        (gettext_lazy("Registration until"), lambda key: key.expires_at),
        (gettext_lazy("Disabled"), lambda key: key.disabled_at),
        (gettext_lazy("Created"), lambda key: key.created_at),
        (gettext_lazy("Created by"), lambda key: key.created_by),
    ),
    fixed="name",
)
ENABLED, DISABLED = "enabled", "disabled"
CHIPS = {
    "": gettext_lazy("All"),
    ENABLED: gettext_lazy("Enabled"),
    DISABLED: gettext_lazy("Disabled"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@may_manage
def show_keys(request: ZoneRequest) -> HttpResponseBase:
    """Show the account keys or return them as CSV, and create a key, which is shown once."""
    now = timezone.now()
    matching = AcmeAccountKey.objects.filter(label__icontains=TableQuery.parse(request.GET).q)
    matching = matching.annotate(account_count=Count("accounts"))
    by_state = {
        "": matching,
        ENABLED: matching.filter(disabled_at=None),
        DISABLED: matching.filter(disabled_at__isnull=False),
    }
    found = KEYS.filter_rows(request, by_state, CHIPS, "-pk")
    if KEYS.is_exported(request):
        return KEYS.export(sort_rows(found.rows, found.order))
    form = AccountKeyForm(request, request.POST if request.method == "POST" else None)
    created: dict[str, Any] = {}
    if form.is_valid():
        with show_faults_on(form):
            created = _create(request, form, now)
            form = AccountKeyForm(request)
    context = {
        "nav": "acme",
        "now": now,
        "form": form,
        "created": created,
        "directory": build_directory_url(request),
        "est": build_url(request, EST_PATH),
        **found.build_context(),
    }
    return render_once(request, "certificates/acme_accounts.html", context)


def _create(request: ZoneRequest, form: AccountKeyForm, now: datetime) -> dict[str, Any]:
    """Create a key, and return it with an example of its use."""
    values = form.cleaned_data
    made = keys.create(
        values["label"],
        values["names"],
        expires_at=now + timedelta(days=values["days"]),
        allows_est=values["allows_est"],
        now=now,
    )
    est = build_url(request, f"{EST_PATH}/simpleenroll")
    directory = build_directory_url(request)
    # With "=", because both can begin with "-".
    options = f"--server {directory} --eab-kid={made.row.key_id} --eab-hmac-key={made.hmac_key}"
    return {
        "key_id": made.row.key_id,
        "hmac_key": made.hmac_key,
        "command": f"certbot register {options}",
        "est_command": _build_est_command(made, est) if made.row.allows_est else "",
    }


def _build_est_command(made: keys.NewKey, url: str) -> str:
    """Return an example for curl that sends the CSR in a file as Base64."""
    user = f'--user "{made.row.key_id}:{made.hmac_key}"'
    return f'curl --cacert root.pem {user} -H "Content-Type: application/pkcs10" ' + (
        f"--data-binary @csr.b64 {url}"
    )


@require_http_methods(["GET", "HEAD", "POST"])
@may_manage
def disable_key(request: ZoneRequest, pk: int) -> HttpResponse:
    """Disable an account key after a confirmation."""
    key = get_object_or_404(AcmeAccountKey, pk=pk)
    form = ReauthenticationForm(request, data=request.POST if request.method == "POST" else None)
    back = reverse("certificates:acme_accounts")
    if form.is_bound and form.is_valid():
        with show_faults_on(form):
            keys.disable(pk, now=timezone.now())
            message = _("The account key %s has been disabled.") % key.label
            return close_dialog(request, back, message=message)
    count = keys.count_hosts(key, timezone.now())
    warning = ngettext(
        "%(count)d host has a certificate of this key, and cannot renew with a disabled key. "
        "Register it with another account key before you disable this one.",
        "%(count)d hosts have certificates of this key, and cannot renew with a disabled key. "
        "Register them with another account key before you disable this one.",
        count,
    )
    context = {
        "title": _("Disable %s") % key.label,
        "warning": warning % {"count": count} if count else "",
        "text": _(
            "Hosts that registered with this key get no further certificates. Their certificates "
            "are valid until they expire. You cannot undo this."
        ),
        "label": _("Disable"),
        "back": back,
    }
    return render_dialog(request, "console/confirm.html", context, form=form)
