"""Addresses of the Devices pages."""

from django.urls import path

from devices import views

app_name = "devices"
urlpatterns = [
    path("", views.devices, name="list"),
    path("<uuid:pk>/", views.device, name="device"),
    path("<uuid:pk>/settings/", views.settings, name="settings"),
]
