"""Help topics of the pilot group."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from certificates.help.topics import Topic

TOPICS = (
    Topic(
        ("certificates:pilot_group",),
        _("Pilot Group"),
        (
            _(
                "With a pilot group, Change CA and Remint CA send the new CA to servers and to a "
                "few devices first. All other devices follow when enough devices of the group "
                "have passed the preflight check and none has failed. The activation moves if the "
                "other devices would have less than the minimum lead time."
            ),
            _(
                "If a device of the group fails, or too few have passed when the time limit ends, "
                "the operation is paused: it is blocked, and its page lists the devices. It "
                "continues automatically when you have corrected or ignored them. An immediate "
                "activation after an expiration has no pilot group."
            ),
        ),
    ),
    Topic(
        ("certificates:continue_after_pilot",),
        _("Continue Without the Pilot Group"),
        (
            _(
                "Sends the update to all devices although the pilot group has not passed. The "
                "devices trust the new CA in addition to the current one. You can still cancel "
                "the operation until the freeze period begins."
            ),
        ),
    ),
)
