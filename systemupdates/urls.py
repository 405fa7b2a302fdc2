"""Addresses of the System Updates pages."""

from django.urls import path

from systemupdates import views

app_name = "systemupdates"
urlpatterns = [
    path("", views.updates, name="list"),
    path("<uuid:pk>/devices/", views.devices, name="devices"),
    path("assignments/<int:pk>/ignore/", views.ignore, name="ignore"),
    path("assignments/<int:pk>/redeploy/", views.redeploy, name="redeploy"),
]
