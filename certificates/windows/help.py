"""Help topic of the page Maintenance Windows."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TOPICS = (
    Topic(
        (
            "certificates:windows",
            *("certificates:new_window", "certificates:window", "certificates:remove_window"),
            *("certificates:new_freeze", "certificates:freeze", "certificates:remove_freeze"),
        ),
        _("Maintenance Windows"),
        (
            _(
                "New certificates are activated only in maintenance windows, and never "
                "during a change freeze. Without both, they can be activated at any time. "
                "Dialogs suggest the first time that is allowed. Administrators who may "
                "change zone settings can enter another time with a reason, which is "
                "recorded in the audit log."
            ),
            _(
                "If a window or change freeze is changed after an operation was started, "
                "the activation moves to the next allowed time. An immediate activation "
                "after an expiration does not wait. An automatic renewal does not wait if "
                "a certificate would expire before the next window closes."
            ),
            _(
                "A window has a length, so it ends an hour later or earlier by the clock "
                "when the clocks change while it is open."
            ),
        ),
    ),
)
