"""Every address of the console."""

from django.urls import include, path

from certificates.agent_urls import public

urlpatterns = [
    path("zac/v1/", include("certificates.agent_urls")),
    *public,
]
