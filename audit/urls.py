"""URLs of Audit and Messages."""

from django.urls import path

from audit.entries import views
from audit.forwarding import views as forwarding_views

app_name = "audit"
urlpatterns = [
    path("audit/", views.list_entries, name="audit"),
    path("audit/<int:seq>/", views.show_entry, name="entry"),
    path("audit/forwarding/", forwarding_views.edit_forwarding, name="forwarding"),
    path("audit/forwarding/test/", forwarding_views.send_test, name="test_forwarding"),
    path("audit/forwarding/stop/", forwarding_views.stop_forwarding, name="stop_forwarding"),
]
