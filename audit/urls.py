"""URLs of Audit and Messages."""

from django.urls import path

from audit.entries import views as entries_views

app_name = "audit"
urlpatterns = [
    path("audit/", entries_views.audit, name="audit"),
    path("audit/<int:seq>/", entries_views.entry, name="entry"),
]
