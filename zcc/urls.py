"""Every address of the console."""

from django.urls import include, path

from certificates.agent_urls import public
from certificates.views import monitoring
from systemupdates import setup
from zcc import api, setup_views

urlpatterns = [
    path("zac/v1/", include("certificates.agent_urls")),
    *public,
    path("zenworks-setup/", setup.page, name="setup"),
    path("zenworks-setup/<str:name>", setup.download, name="setup_download"),
    path("api/v1/", api.urls),
    path("setup/", setup_views.zone, name="setup_zone"),
    path("setup/server.csr", setup_views.csr, name="setup_csr"),
    path("setup/again/", setup_views.again, name="setup_again"),
    path("healthz", monitoring.healthz, name="healthz"),
    path("metrics", monitoring.show_metrics, name="metrics"),
    path("", include("console.urls")),
    path("", include("people.urls")),
    path("", include("notifications.urls")),
    path("", include("ledger.urls")),
    path("", include("certificates.urls")),
    path("configuration/", include("devices.configuration_urls")),
    path("devices/", include("devices.urls")),
    path("system-updates/", include("systemupdates.urls")),
]
handler400 = "console.errors.bad_request"
handler403 = "console.errors.permission_denied"
handler404 = "console.errors.page_not_found"
handler500 = "console.errors.server_error"
