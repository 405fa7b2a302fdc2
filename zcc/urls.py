"""The URLs of the console."""

from django.urls import include, path

from certificates.agents.urls import public
from certificates.monitoring import views as monitoring_views
from certificates.revocation import ocsp_views
from certificates.revocation import views as revocation_views
from systemupdates.downloads import views as download_views
from zcc import api
from zcc.setup import views as setup_views

urlpatterns = [
    path("zac/v1/", include("certificates.agents.urls")),
    *public,
    path("zenworks-setup/", download_views.page, name="setup"),
    path("zenworks-setup/<str:name>", download_views.download, name="setup_download"),
    path("api/v1/", api.urls),
    path("setup/", setup_views.zone, name="setup_zone"),
    path("setup/server.csr", setup_views.csr, name="setup_csr"),
    path("setup/again/", setup_views.restart, name="setup_again"),
    path("livez", monitoring_views.livez, name="livez"),
    path("readyz", monitoring_views.readyz, name="readyz"),
    path("healthz", monitoring_views.healthz, name="healthz"),
    path("roots.pem", monitoring_views.download_roots, name="roots"),
    path("crl/<slug:key_id>.crl", revocation_views.download_crl, name="crl"),
    path("acme/", include("certificates.acme.protocol.urls")),
    path(".well-known/est/", include("certificates.est.urls")),
    path("ocsp", ocsp_views.respond, name="ocsp"),
    path("ocsp/", ocsp_views.respond),
    path("ocsp/<path:encoded>", ocsp_views.respond, name="ocsp_get"),
    path("metrics", monitoring_views.show_metrics, name="metrics"),
    path("", include("console.urls")),
    path("", include("administrators.urls")),
    path("", include("notifications.urls")),
    path("", include("audit.urls")),
    path("", include("certificates.urls")),
    path("configuration/", include("devices.zone.urls")),
    path("devices/", include("devices.urls")),
    path("system-updates/", include("systemupdates.urls")),
]
handler400 = "console.pages.errors.bad_request"
handler403 = "console.pages.errors.permission_denied"
handler404 = "console.pages.errors.page_not_found"
handler500 = "console.pages.errors.server_error"
