"""URLs of Configuration > Notifications."""

from django.urls import path

from notifications.targets import views

app_name = "notifications"
PAGE = "configuration/notifications/"
TARGET = PAGE + "targets/<int:pk>/"
urlpatterns = [
    path(PAGE, views.list_notifications, name="list"),
    path(PAGE + "create/<slug:kind>/", views.create_target, name="create"),
    path(TARGET, views.update_target, name="change"),
    path(TARGET + "test/", views.send_test, name="test"),
    path(TARGET + "secret/", views.renew_secret, name="new_secret"),
    path(TARGET + "remove/", views.delete_target, name="remove"),
    path(PAGE + "sent/<uuid:pk>/", views.show_delivery, name="delivery"),
    path(PAGE + "sent/<uuid:pk>/again/", views.resend, name="send_again"),
]
