"""The help page: topics for each page and dialog, and the manual's Appendix A."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from certificates.help import TOPICS
from certificates.help.appendix import APPENDIX
from console.pages.responses import Request


@require_safe
def show_help(request: Request) -> HttpResponse:
    """Show all help topics on one page."""
    context = {"topics": TOPICS, "appendix": APPENDIX, "nav": "help"}
    return render(request, "certificates/help.html", context)
