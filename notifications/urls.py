"""Addresses of Configuration > Notifications."""

from django.urls import path

from notifications.targets import views

app_name = "notifications"
PAGE = "configuration/notifications/"
TARGET = PAGE + "targets/<int:pk>/"
urlpatterns = [
    path(PAGE, views.notifications, name="list"),
    path(PAGE + "create/<slug:kind>/", views.create, name="create"),
    path(TARGET, views.change, name="change"),
    path(TARGET + "test/", views.test, name="test"),
    path(TARGET + "secret/", views.new_secret, name="new_secret"),
    path(TARGET + "remove/", views.remove, name="remove"),
    path(PAGE + "sent/<uuid:pk>/", views.delivery, name="delivery"),
    path(PAGE + "sent/<uuid:pk>/again/", views.send_again, name="send_again"),
]
