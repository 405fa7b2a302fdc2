"""The help page: topics for each page and dialog, and the manual's Appendix A."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from certificates.help.appendix import APPENDIX
from certificates.help.contents import filter_issues, filter_sections, list_places
from certificates.help.sections import SECTIONS
from console.pages.responses import Request
from console.pages.tables import TableQuery


@require_safe
def show_help(request: Request) -> HttpResponse:
    """Show the help topics on one page, or those that contain the words of a search."""
    query = TableQuery.parse(request.GET)
    context = {
        "sections": filter_sections(SECTIONS, query.q),
        "appendix": filter_issues(APPENDIX, query.q),
        "places": None if query.q else list_places(),
        "query": query,
        "nav": "help",
    }
    return render(request, "certificates/help.html", context)
