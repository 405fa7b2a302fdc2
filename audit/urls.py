"""URLs of Audit and Messages."""

from django.urls import path

from audit.entries import views

app_name = "audit"
urlpatterns = [
    path("audit/", views.list_entries, name="audit"),
    path("audit/<int:seq>/", views.show_entry, name="entry"),
]
