"""The Deployment Stages page.

See: D-37
"""

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
from console.pages.responses import close_dialog, render_dialog, show_faults_on
from devices.middleware import ZoneRequest
from devices.models import Device
from systemupdates.assignments import stages as assignments_stages
from systemupdates.models import Stage
from systemupdates.updates.action_views import may_deploy
from systemupdates.updates.list_views import RIGHT


class StageForm(forms.Form):
    """The settings of a deployment stage."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=64)
    members = forms.CharField(
        label=gettext_lazy("Members"),
        required=False,
        max_length=80_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=gettext_lazy("Device names, one per line. A device can be in only one stage."),
    )
    timeout_seconds = formatting.DurationField(
        label=gettext_lazy("Timeout"),
        least=assignments_stages.MIN_TIMEOUT_SECONDS,
        most=assignments_stages.MAX_TIMEOUT_SECONDS,
        help_text=gettext_lazy(
            "The next stage starts when all devices in this stage have applied "
            "the update or failed, or when this timeout is reached."
        ),
    )

    def get_settings(self) -> assignments_stages.StageSettings:
        """Return the settings that were entered."""
        data = self.cleaned_data
        members = list(dict.fromkeys(filter(None, map(str.strip, data["members"].splitlines()))))
        return assignments_stages.StageSettings(data["name"], data["timeout_seconds"], members)


@require_safe
def stages(request: ZoneRequest) -> HttpResponse:
    """Show the stages in order."""
    found = list(Stage.objects.order_by("position", "pk"))
    members = assignments_stages.get_members([stage.pk for stage in found])
    context = {
        "nav": "stages",
        "tab": "stages",
        "may": request.user.has_perm(RIGHT),
        "rows": [
            {
                "stage": stage,
                "members": members[stage.pk],
                "timeout": formatting.format_duration(stage.timeout_seconds),
            }
            for stage in found
        ],
        "rest": Device.objects.registered().filter(stages=None).count(),
    }
    return render(request, "systemupdates/stages.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@may_deploy
def edit(request: ZoneRequest, pk: int | None = None) -> HttpResponse:
    """Create or change a stage."""
    stage = get_object_or_404(Stage, pk=pk) if pk is not None else None
    initial: dict[str, Any] = {"timeout_seconds": request.zone.stage_timeout_seconds}
    if stage is not None:
        names = [name for _guid, name in assignments_stages.get_members([stage.pk])[stage.pk]]
        initial = {
            "name": stage.name,
            "members": "\n".join(names),
            "timeout_seconds": stage.timeout_seconds,
        }
    form = StageForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        with show_faults_on(form):
            saved = assignments_stages.save_stage(form.get_settings(), stage=stage)
            message = _("The stage %s has been saved.") % saved.name
            return close_dialog(request, reverse("systemupdates:stages"), message=message)
    return render_dialog(request, "systemupdates/dialogs/stage.html", {"stage": stage}, form=form)


@require_POST
@may_deploy
def remove(request: ZoneRequest, pk: int) -> HttpResponse:
    """Remove a stage. Its devices receive staged updates last."""
    stage = get_object_or_404(Stage, pk=pk)
    assignments_stages.remove_stage(stage)
    messages.success(request, _("The stage %s has been removed.") % stage.name)
    return HttpResponseRedirect(reverse("systemupdates:stages"))


@require_POST
@may_deploy
def move(request: ZoneRequest, pk: int) -> HttpResponse:
    """Move a stage up or down by one position."""
    assignments_stages.move_stage(
        get_object_or_404(Stage, pk=pk), up=request.POST.get("do") == "up"
    )
    return HttpResponseRedirect(reverse("systemupdates:stages"))
