"""The help page: topics by page and dialog, and the manual's Appendix A (D-43)."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from certificates.help import TOPICS
from certificates.help.appendix import APPENDIX
from console.pages.responses import Request


@require_safe
def show(request: Request) -> HttpResponse:
    """Show all help on one page; links lead to the anchor of what they explain."""
    context = {"topics": TOPICS, "appendix": APPENDIX, "nav": "help"}
    return render(request, "certificates/help.html", context)
