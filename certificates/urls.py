"""Addresses of Home, the Certificates page, its panes, dialogs and downloads."""

from django.urls import path

from certificates.approvals import views as approvals_views
from certificates.authority import key_views
from certificates.authority import views as authority_views
from certificates.help import views as help_views
from certificates.monitoring import home
from certificates.operations.presentation import actions, change_ca, dialogs, page, remint_ca
from certificates.operations.presentation import page as presentation_page
from certificates.servers import csr_views, downloads, remint_views
from certificates.servers import views as servers_views
from certificates.trust import views as trust_views

app_name = "certificates"
BASE = "configuration/certificates/"
OPERATION = BASE + "operations/<uuid:pk>/"
JOB = BASE + "jobs/<uuid:pk>/"
SERVER = BASE + "servers/<uuid:pk>/"
urlpatterns = [
    path("", home.home, name="home"),
    path("help/", help_views.show, name="help"),
    path(BASE, authority_views.certificates, name="page"),
    path(BASE + "zone-ca/", authority_views.zone_ca, name="zone_ca"),
    path(BASE + "server-operations/", authority_views.server_operations, name="server_operations"),
    path(BASE + "view-certificate/", remint_ca.view_certificate, name="view_certificate"),
    path(BASE + "remint-ca/", remint_ca.remint_ca, name="remint_ca"),
    path(BASE + "change-ca/", change_ca.change_ca, name="change_ca"),
    path(BASE + "change-ca/<uuid:pk>/<slug:key>/", change_ca.change_ca_step, name="change_ca_step"),
    path(BASE + "move-ca-role/", key_views.move_ca_role, name="move_ca_role"),
    path(BASE + "backup-ca/", key_views.backup_ca, name="backup_ca"),
    path(BASE + "restore-ca/", key_views.restore_ca, name="restore_ca"),
    path(BASE + "restore-ca/<uuid:pk>/adopt/", key_views.adopt_ca, name="adopt_ca"),
    path(JOB, key_views.vault_job, name="vault_job"),
    path(JOB + "confirm/", approvals_views.confirm_job, name="confirm_job"),
    path(OPERATION + "confirm/", approvals_views.confirm, name="confirm"),
    path(OPERATION + "confirm/<slug:act>/", approvals_views.confirm_act, name="confirm_act"),
    path(JOB + "again/", key_views.download_again, name="download_again"),
    path(JOB + "<slug:ticket>.zip", key_views.backup_file, name="backup_file"),
    path(BASE + "trust/", trust_views.trust, name="trust"),
    path(OPERATION + "not-refreshed/", trust_views.not_refreshed, name="not_refreshed"),
    path(BASE + "ca.pem", downloads.ca_pem, name="ca_pem"),
    path(BASE + "readiness-policy/", actions.readiness_policy, name="readiness_policy"),
    path(BASE + "operations/", page.operations, name="operations"),
    path(OPERATION, presentation_page.operation, name="operation"),
    path(OPERATION + "live/", presentation_page.live, name="operation_live"),
    path(OPERATION + "report/", presentation_page.report, name="report"),
    path(OPERATION + "activation/", actions.change_activation, name="change_activation"),
    path(OPERATION + "force/", actions.force, name="force"),
    path(OPERATION + "without-bridge/", actions.without_bridge, name="without_bridge"),
    path(OPERATION + "try-again/", actions.try_again, name="try_again"),
    path(OPERATION + "roll-back/", actions.roll_back, name="roll_back"),
    path(OPERATION + "replication/", dialogs.replication_status, name="replication"),
    path(OPERATION + "replication/now/", dialogs.replicate_now, name="replicate_now"),
    path(OPERATION + "replication/<int:replica>/exclude/", dialogs.exclude, name="exclude"),
    path(OPERATION + "assign/", dialogs.assign, name="assign"),
    path(OPERATION + "cancel/", dialogs.cancel, name="cancel"),
    path(OPERATION + "clear/", dialogs.clear, name="clear"),
    path(BASE + "servers/actions/", csr_views.server_actions, name="server_actions"),
    path(BASE + "servers/selected/", csr_views.selected, name="selected"),
    path(
        BASE + "remint-certificate/<uuid:pk>/<slug:key>/",
        remint_views.remint_servers,
        name="remint_servers",
    ),
    path(BASE + "generate-csr/<uuid:pk>/", csr_views.generate_csr, name="generate_csr"),
    path(
        BASE + "import-certificate/<uuid:pk>/",
        csr_views.import_certificate,
        name="import_certificate",
    ),
    path(BASE + "csrs/<uuid:pk>.zip", csr_views.csr_zip, name="csr_zip"),
    path(SERVER, servers_views.server, name="server"),
    path(SERVER + "certificate.pem", downloads.server_pem, name="server_pem"),
    path(SERVER + "future/", servers_views.future, name="future"),
    path(SERVER + "future.pem", downloads.future_pem, name="future_pem"),
    path(SERVER + "csr/", downloads.csr, name="csr"),
    path(SERVER + "certificates/<int:certificate>/", servers_views.past, name="past"),
    path(SERVER + "certificates/<int:certificate>.pem", downloads.past_pem, name="past_pem"),
    path(SERVER + "try-again/", servers_views.try_again, name="ask_again"),
    path(SERVER + "why/", servers_views.why, name="why"),
]
