"""URLs of the user preferences."""

from django.urls import path

from console.pages import views

app_name = "console"
urlpatterns = [
    path("preferences/", views.preferences, name="preferences"),
    path("preferences/columns/<slug:table>/", views.columns, name="columns"),
]
