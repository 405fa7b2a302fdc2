"""URLs of Configuration > Notifications."""

from django.urls import path

from notifications.mail_server import views as mail_server_views
from notifications.targets import views

app_name = "notifications"
PAGE = "configuration/notifications/"
MAIL = PAGE + "mail-server/"
TARGET = PAGE + "targets/<int:pk>/"
urlpatterns = [
    path(PAGE, views.list_notifications, name="list"),
    path(MAIL, mail_server_views.edit_mail_server, name="mail_server"),
    path(MAIL + "test/", mail_server_views.send_test, name="test_mail_server"),
    path(MAIL + "remove/", mail_server_views.delete_mail_server, name="remove_mail_server"),
    path(PAGE + "create/<slug:kind>/", views.create_target, name="create"),
    path(TARGET, views.update_target, name="change"),
    path(TARGET + "test/", views.send_test, name="test"),
    path(TARGET + "secret/", views.renew_secret, name="new_secret"),
    path(TARGET + "remove/", views.delete_target, name="remove"),
    path(PAGE + "sent/<uuid:pk>/", views.show_delivery, name="delivery"),
    path(PAGE + "sent/<uuid:pk>/again/", views.resend, name="send_again"),
]
