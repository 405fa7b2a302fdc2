"""Addresses of the agent calls, mounted at /zac/v1/, and of what strangers may fetch."""

from django.urls import path

from certificates.agents import api

app_name = "zac"
urlpatterns = [
    path("zone", api.zone),
    path("hello", api.hello),
    path("register", api.register),
    path("unregister", api.unregister),
    path("refresh", api.refresh),
    path("certificate", api.certificate),
    path("updates/<str:update>/csr", api.certificate),
    path("updates/<str:update>/status", api.status),
    path("updates/<str:update>/rehearsal", api.rehearsal),
    path("updates/<str:update>/go", api.go),
]
public = [
    path("recovery", api.recovery),
    path("contact", api.contact),
    path("content/<str:digest>", api.file),
]
