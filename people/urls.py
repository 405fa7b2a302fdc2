"""Addresses of logging in, of a user's own security, and of the administrators."""

from django.urls import path

from people.views import administrators, login, oidc, own, rules

app_name = "people"
PAGE = "configuration/administrators/"
ONE = PAGE + "<int:pk>/"
urlpatterns = [
    path("login/", login.login, name="login"),
    path("login/code/", login.code, name="code"),
    path("login/oidc/", oidc.oidc, name="oidc"),
    path("login/oidc/callback/", oidc.callback, name="oidc_callback"),
    path("login/again/", oidc.again, name="again"),
    path("logout/", login.logout, name="logout"),
    path("set-up/<str:text>/", login.set_up, name="set_up"),
    path("preferences/security/", own.security, name="security"),
    path("preferences/password/", own.password, name="password"),
    path("preferences/second-factor/", own.second_factor, name="second_factor"),
    path("preferences/recovery-codes/", own.recovery_codes, name="recovery_codes"),
    path("preferences/sessions/", own.end_other_sessions, name="end_other_sessions"),
    path(PAGE, administrators.administrators, name="list"),
    path(PAGE + "create/", administrators.create, name="create"),
    path(PAGE + "rules/", rules.rules, name="rules"),
    path(PAGE + "rules/end/", rules.end_rule, name="end_rule"),
    path(ONE, administrators.administrator, name="administrator"),
    path(ONE + "roles/", administrators.roles, name="roles"),
    path(ONE + "set-up-link/", administrators.setup_link, name="setup_link"),
    path(ONE + "temporary-password/", administrators.temporary_password, name="temporary_password"),
    path(ONE + "<slug:name>/", administrators.act, name="act"),
]
