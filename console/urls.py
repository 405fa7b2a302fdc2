"""Addresses of login and preferences."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from console import views

app_name = "console"
urlpatterns = [
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("preferences/", views.preferences, name="preferences"),
    path("preferences/columns/<slug:table>/", views.columns, name="columns"),
]
