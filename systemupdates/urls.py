"""Addresses of the System Updates pages."""

from django.urls import path

from systemupdates.views import acts, page, stages, update

app_name = "systemupdates"
urlpatterns = [
    path("", page.updates, name="list"),
    path("stages/", stages.stages, name="stages"),
    path("stages/new/", stages.edit, name="new_stage"),
    path("stages/<int:pk>/", stages.edit, name="stage"),
    path("stages/<int:pk>/remove/", stages.remove, name="remove_stage"),
    path("stages/<int:pk>/move/", stages.move, name="move_stage"),
    path("<uuid:pk>/devices/", update.devices, name="devices"),
    path("<uuid:pk>/rollout/", update.pane, name="rollout"),
    path("<uuid:pk>/content/", update.content, name="content"),
    path("<uuid:pk>/content/now/", acts.replicate_now, name="replicate_now"),
    path("<uuid:pk>/details/", update.details, name="details"),
    path("<uuid:pk>/redeploy/", acts.redeploy_failed, name="redeploy_failed"),
    path("<uuid:pk>/baseline/", acts.baseline, name="baseline"),
    path("<uuid:pk>/delete/", acts.delete, name="delete"),
    path("replicas/<int:pk>/exclude/", acts.exclude, name="exclude"),
    path("replicas/<int:pk>/include/", acts.include, name="include"),
    path("assignments/<int:pk>/ignore/", acts.ignore, name="ignore"),
    path("assignments/<int:pk>/redeploy/", acts.redeploy, name="redeploy"),
    path("assignments/<int:pk>/clear/", acts.clear, name="clear"),
    path("assignments/<int:pk>/refresh/", acts.refresh, name="refresh"),
]
