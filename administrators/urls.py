"""Addresses of logging in, of a user's own security, and of the administrators."""

from django.urls import path

from administrators.accounts import own_views, policy_views
from administrators.accounts import views as accounts_views
from administrators.api_tokens import views as token_views
from administrators.login import oidc_views
from administrators.login import views as login_views

app_name = "administrators"
PAGE = "configuration/administrators/"
ONE = PAGE + "<int:pk>/"
urlpatterns = [
    path("login/", login_views.login, name="login"),
    path("login/code/", login_views.code, name="code"),
    path("login/oidc/", oidc_views.oidc, name="oidc"),
    path("login/oidc/callback/", oidc_views.callback, name="oidc_callback"),
    path("login/again/", oidc_views.again, name="again"),
    path("logout/", login_views.logout, name="logout"),
    path("set-up/<str:text>/", login_views.set_up, name="set_up"),
    path("preferences/security/", own_views.security, name="security"),
    path("preferences/password/", own_views.password, name="password"),
    path("preferences/second-factor/", own_views.second_factor, name="second_factor"),
    path("preferences/recovery-codes/", own_views.recovery_codes, name="recovery_codes"),
    path("preferences/sessions/", own_views.end_other_sessions, name="end_other_sessions"),
    path(PAGE, accounts_views.administrators, name="list"),
    path(PAGE + "create/", accounts_views.create, name="create"),
    path(PAGE + "rules/", policy_views.rules, name="rules"),
    path(PAGE + "rules/end/", policy_views.end_rule, name="end_rule"),
    path(ONE, accounts_views.administrator, name="administrator"),
    path(ONE + "roles/", accounts_views.roles, name="roles"),
    path(ONE + "set-up-link/", accounts_views.setup_link, name="setup_link"),
    path(ONE + "temporary-password/", accounts_views.temporary_password, name="temporary_password"),
    path(ONE + "<slug:name>/", accounts_views.act, name="act"),
    path("preferences/tokens/", token_views.tokens, name="tokens"),
    path("preferences/tokens/<int:pk>/revoke/", token_views.revoke, name="revoke_token"),
]
