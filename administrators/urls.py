"""URLs of login, of a user's own security settings, and of Configuration > Administrators."""

from django.urls import path

from administrators.accounts import own_views, policy_views
from administrators.accounts import views as accounts_views
from administrators.api_tokens import views as token_views
from administrators.approvals import views as approval_views
from administrators.login import oidc_views, setup_link_views
from administrators.login import views as login_views
from administrators.passkeys import views as passkey_views

app_name = "administrators"
PAGE = "configuration/administrators/"
ACCOUNT = PAGE + "<int:pk>/"
urlpatterns = [
    path("login/", login_views.log_in, name="login"),
    path("login/code/", login_views.enter_code, name="code"),
    path("login/passkey/", passkey_views.create_request_options, name="passkey_options"),
    path("login/oidc/", oidc_views.log_in_with_oidc, name="oidc"),
    path("login/oidc/callback/", oidc_views.callback, name="oidc_callback"),
    path("login/again/", oidc_views.reauthenticate, name="reauthenticate"),
    path("logout/", login_views.log_out, name="logout"),
    path("setup-link/", setup_link_views.redeem_setup_link, name="redeem_setup_link"),
    # Links that version 0.1 created; remove after one release.
    path("setup-link/<str:text>/", setup_link_views.redirect_old_link, name="old_setup_link"),
    path("set-up/<str:text>/", setup_link_views.redirect_old_link, name="set_up_link"),
    path("preferences/security/", own_views.show_security, name="security"),
    path("preferences/password/", own_views.change_password, name="password"),
    path("preferences/second-factor/", own_views.edit_second_factor, name="second_factor"),
    path("preferences/passkeys/add/", passkey_views.add_passkey, name="add_passkey"),
    path(
        "preferences/passkeys/options/",
        passkey_views.create_creation_options,
        name="passkey_creation_options",
    ),
    path(
        "preferences/passkeys/<int:pk>/remove/", passkey_views.remove_passkey, name="remove_passkey"
    ),
    path("preferences/recovery-codes/", own_views.renew_recovery_codes, name="recovery_codes"),
    path("preferences/sessions/", own_views.end_other_sessions, name="end_other_sessions"),
    path("preferences/tokens/", token_views.tokens, name="tokens"),
    path("preferences/tokens/<int:pk>/revoke/", token_views.revoke, name="revoke_token"),
    path(PAGE, accounts_views.list_administrators, name="list"),
    path(PAGE + "create/", accounts_views.create_administrator, name="create"),
    path(PAGE + "rules/", policy_views.edit_policies, name="policies"),
    path(PAGE + "rules/end/", policy_views.approve_turn_off, name="approve_turn_off"),
    path(ACCOUNT, accounts_views.show_administrator, name="administrator"),
    path(ACCOUNT + "roles/", accounts_views.edit_roles, name="roles"),
    path(
        ACCOUNT + "roles/approve/",
        approval_views.decide_roles,
        {"approves": True},
        name="approve_roles",
    ),
    path(
        ACCOUNT + "roles/reject/",
        approval_views.decide_roles,
        {"approves": False},
        name="reject_roles",
    ),
    path(ACCOUNT + "setup-link/", accounts_views.create_setup_link, name="setup_link"),
    path(
        ACCOUNT + "temporary-password/",
        accounts_views.create_temporary_password,
        name="temporary_password",
    ),
    path(ACCOUNT + "<slug:name>/", accounts_views.run_action, name="action"),
]
