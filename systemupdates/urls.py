"""URLs of the System Updates pages."""

from django.urls import path

from systemupdates.assignments import views as assignments_views
from systemupdates.updates import action_views, bulk_views, list_views
from systemupdates.updates import views as updates_views

app_name = "systemupdates"
urlpatterns = [
    path("", list_views.updates, name="list"),
    path("selected/", bulk_views.run_update_action, name="bulk_updates"),
    path("stages/", assignments_views.stages, name="stages"),
    path("stages/new/", assignments_views.edit, name="new_stage"),
    path("stages/<int:pk>/", assignments_views.edit, name="stage"),
    path("stages/<int:pk>/remove/", assignments_views.remove, name="remove_stage"),
    path("stages/<int:pk>/move/", assignments_views.move, name="move_stage"),
    path("<uuid:pk>/devices/", updates_views.devices, name="devices"),
    path("<uuid:pk>/devices/selected/", bulk_views.run_action, name="bulk"),
    path("<uuid:pk>/rollout/", updates_views.pane, name="rollout"),
    path("<uuid:pk>/content/", updates_views.content, name="content"),
    path("<uuid:pk>/content/now/", action_views.replicate_now, name="replicate_now"),
    path("<uuid:pk>/details/", updates_views.details, name="details"),
    path("<uuid:pk>/redeploy/", action_views.redeploy_failed, name="redeploy_failed"),
    path("<uuid:pk>/baseline/", action_views.baseline, name="baseline"),
    path("<uuid:pk>/delete/", action_views.delete, name="delete"),
    path("replicas/<int:pk>/exclude/", action_views.exclude, name="exclude"),
    path("replicas/<int:pk>/include/", action_views.include, name="include"),
    path("assignments/<int:pk>/ignore/", action_views.ignore, name="ignore"),
    path("assignments/<int:pk>/redeploy/", action_views.redeploy, name="redeploy"),
    path("assignments/<int:pk>/clear/", action_views.clear, name="clear"),
    path("assignments/<int:pk>/refresh/", action_views.refresh, name="refresh"),
]
