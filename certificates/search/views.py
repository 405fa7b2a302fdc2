"""The search: a dialog that lists results while the user types, and a page without JavaScript.

See: D-224
"""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from certificates.help.contents import find_topics
from certificates.help.sections import TOPICS
from certificates.search import sources
from certificates.search.results import MAX_OF_KIND, MIN_LENGTH, Found, Group
from console.pages.responses import render_dialog
from console.pages.tables import TableQuery
from devices.middleware import ZoneRequest


@require_safe
def search(request: ZoneRequest) -> HttpResponse:
    """Show the search field and the results for the text in the query string."""
    text = TableQuery.parse(request.GET).q
    is_short = len(text) < MIN_LENGTH
    context = {
        "nav": "search",
        "text": text,
        "is_short": is_short,
        "min_length": MIN_LENGTH,
        "groups": [] if is_short else [*sources.search(request.user, text), *_find_help(text)],
        "title": _("Search"),
    }
    return render_dialog(request, "certificates/search.html", context)


def _find_help(text: str) -> list[Group]:
    """Return the topics of the help page that contain the text."""
    page = reverse("certificates:help")
    topics = find_topics(TOPICS, text)
    results = [
        Found(str(topic.title), "", f"{page}#{topic.anchors()[0]}")
        for topic in topics[:MAX_OF_KIND]
    ]
    more = f"{page}?{urlencode({'q': text})}" if len(topics) > MAX_OF_KIND else ""
    return [Group(_("Help"), results, more)] if results else []
