"""URL paths of the agent protocol, mounted at /zac/v1/, and of its public endpoints."""

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
    path("updates/<str:update>/preflight", api.preflight),
    path("updates/<str:update>/activation-order", api.activation_order),
    # Paths of agents of the previous release. Remove them after one release.
    path("updates/<str:update>/rehearsal", api.preflight),
    path("updates/<str:update>/go", api.activation_order),
]
public = [
    path("recovery", api.recovery),
    path("contact", api.contact),
    path("content/<str:digest>", api.content),
]
