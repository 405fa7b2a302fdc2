"""URLs of the Devices pages."""

from django.urls import path

from devices.inventory import action_views, views

app_name = "devices"
urlpatterns = [
    path("", views.devices, name="list"),
    path("selected/", action_views.run_bulk_action, name="bulk"),
    path("<uuid:pk>/", views.device, name="device"),
    path("<uuid:pk>/settings/", views.settings, name="settings"),
    path("<uuid:pk>/settings/content/", views.content, name="content"),
    path("<uuid:pk>/approve/", action_views.approve, name="approve"),
    path("<uuid:pk>/replace/", action_views.replace, name="replace"),
    path("<uuid:pk>/change/", action_views.decide_change, name="decide_change"),
    path("<uuid:pk>/release/", action_views.release, name="release"),
    path("<uuid:pk>/unregister/", action_views.unregister, name="unregister"),
    path("<uuid:pk>/retire/", action_views.retire, name="retire"),
]
