"""Deployment Stages: which devices get a staged update first (D-37)."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from console.pages import formatting
from console.pages.responses import close_dialog, dialog, faults_on
from devices.middleware import ZoneRequest
from devices.models import Device
from systemupdates.assignments import stages as assignments_stages
from systemupdates.models import Stage
from systemupdates.updates.action_views import may_deploy
from systemupdates.updates.views import RIGHT


class StageForm(forms.Form):
    """Name, members and timeout of a stage."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=64)
    members = forms.CharField(
        label=gettext_lazy("Members"),
        required=False,
        max_length=80_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=gettext_lazy("Names of devices, one per line. A device is in one stage at most."),
    )
    timeout_seconds = formatting.DurationField(
        label=gettext_lazy("Timeout"),
        least=assignments_stages.LEAST_SECONDS,
        most=assignments_stages.MOST_SECONDS,
        help_text=gettext_lazy(
            "The next stage begins when every device of this one has applied the update or has "
            "failed, and after this time at the latest."
        ),
    )

    def order(self) -> assignments_stages.StageOrder:
        """Return what was asked for, in the words of the domain."""
        given = self.cleaned_data
        members = list(dict.fromkeys(filter(None, map(str.strip, given["members"].splitlines()))))
        return assignments_stages.StageOrder(given["name"], given["timeout_seconds"], members)


@require_safe
def stages(request: ZoneRequest) -> HttpResponse:
    """List the stages in their order."""
    found = list(Stage.objects.order_by("position", "pk"))
    members = assignments_stages.members_of([stage.pk for stage in found])
    context = {
        "nav": "updates",
        "tab": "stages",
        "may": request.user.has_perm(RIGHT),
        "rows": [
            {
                "stage": stage,
                "members": members[stage.pk],
                "timeout": formatting.words(stage.timeout_seconds),
            }
            for stage in found
        ],
        "rest": Device.objects.registered().filter(stages=None).count(),
    }
    return render(request, "systemupdates/stages.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def edit(request: ZoneRequest, pk: int | None = None) -> HttpResponse:
    """Make a stage, or change one."""
    stage = get_object_or_404(Stage, pk=pk) if pk is not None else None
    initial: dict[str, Any] = {"timeout_seconds": request.zone.stage_timeout_seconds}
    if stage is not None:
        names = [name for _guid, name in assignments_stages.members_of([stage.pk])[stage.pk]]
        initial = {
            "name": stage.name,
            "members": "\n".join(names),
            "timeout_seconds": stage.timeout_seconds,
        }
    form = StageForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        with faults_on(form):
            saved = assignments_stages.save(form.order(), stage=stage)
            there = reverse("systemupdates:stages")
            return close_dialog(request, there, said=_("The stage %s is saved.") % saved.name)
    return dialog(request, "systemupdates/dialogs/stage.html", {"stage": stage}, form=form)


@require_POST
@may_deploy
def remove(request: ZoneRequest, pk: int) -> HttpResponse:
    """Remove a stage; its devices get staged updates last."""
    stage = get_object_or_404(Stage, pk=pk)
    assignments_stages.remove(stage)
    messages.success(request, _("The stage %s is removed.") % stage.name)
    return HttpResponseRedirect(reverse("systemupdates:stages"))


@require_POST
@may_deploy
def move(request: ZoneRequest, pk: int) -> HttpResponse:
    """Move a stage one place up or down."""
    assignments_stages.move(get_object_or_404(Stage, pk=pk), up=request.POST.get("do") == "up")
    return HttpResponseRedirect(reverse("systemupdates:stages"))
