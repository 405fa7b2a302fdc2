"""The URLs of the console, and a bare view for comparison."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from zcc.urls import handler400, handler403, handler404, handler500
from zcc.urls import urlpatterns as console

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


@csrf_exempt
@login_not_required
def bare(request: HttpRequest) -> HttpResponse:
    """Return a minimal response."""
    return JsonResponse({"ok": True, "length": len(request.body)})


urlpatterns = [path("zac/v1/bare", bare), *console]
