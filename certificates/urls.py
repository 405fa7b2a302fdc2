"""Addresses of Home, the Certificates page, its panes, dialogs and downloads."""

from django.urls import path

from certificates.views import (
    acts,
    authority_dialogs,
    ca_dialogs,
    change_ca,
    csr_dialogs,
    downloads,
    helping,
    home,
    operation,
    operation_page,
    page,
    remint_servers,
    server_dialogs,
)

app_name = "certificates"
BASE = "configuration/certificates/"
OPERATION = BASE + "operations/<uuid:pk>/"
JOB = BASE + "jobs/<uuid:pk>/"
SERVER = BASE + "servers/<uuid:pk>/"
urlpatterns = [
    path("", home.home, name="home"),
    path("help/", helping.show, name="help"),
    path(BASE, page.certificates, name="page"),
    path(BASE + "zone-ca/", page.zone_ca, name="zone_ca"),
    path(BASE + "server-operations/", page.server_operations, name="server_operations"),
    path(BASE + "view-certificate/", ca_dialogs.view_certificate, name="view_certificate"),
    path(BASE + "remint-ca/", ca_dialogs.remint_ca, name="remint_ca"),
    path(BASE + "change-ca/", change_ca.change_ca, name="change_ca"),
    path(BASE + "change-ca/<uuid:pk>/<slug:key>/", change_ca.change_ca_step, name="change_ca_step"),
    path(BASE + "move-ca-role/", authority_dialogs.move_ca_role, name="move_ca_role"),
    path(BASE + "backup-ca/", authority_dialogs.backup_ca, name="backup_ca"),
    path(BASE + "restore-ca/", authority_dialogs.restore_ca, name="restore_ca"),
    path(JOB, authority_dialogs.vault_job, name="vault_job"),
    path(JOB + "again/", authority_dialogs.download_again, name="download_again"),
    path(JOB + "<slug:ticket>.zip", authority_dialogs.backup_file, name="backup_file"),
    path(BASE + "ca.pem", downloads.ca_pem, name="ca_pem"),
    path(BASE + "readiness-policy/", acts.readiness_policy, name="readiness_policy"),
    path(BASE + "operations/", operation_page.operations, name="operations"),
    path(OPERATION, operation_page.operation, name="operation"),
    path(OPERATION + "live/", operation_page.live, name="operation_live"),
    path(OPERATION + "report/", operation_page.report, name="report"),
    path(OPERATION + "activation/", acts.change_activation, name="change_activation"),
    path(OPERATION + "force/", acts.force, name="force"),
    path(OPERATION + "without-bridge/", acts.without_bridge, name="without_bridge"),
    path(OPERATION + "try-again/", acts.try_again, name="try_again"),
    path(OPERATION + "roll-back/", acts.roll_back, name="roll_back"),
    path(OPERATION + "replication/", operation.replication_status, name="replication"),
    path(OPERATION + "replication/now/", operation.replicate_now, name="replicate_now"),
    path(OPERATION + "replication/<int:replica>/exclude/", operation.exclude, name="exclude"),
    path(OPERATION + "assign/", operation.assign, name="assign"),
    path(OPERATION + "cancel/", operation.cancel, name="cancel"),
    path(OPERATION + "clear/", operation.clear, name="clear"),
    path(BASE + "servers/actions/", csr_dialogs.server_actions, name="server_actions"),
    path(BASE + "servers/selected/", csr_dialogs.selected, name="selected"),
    path(
        BASE + "remint-certificate/<uuid:pk>/<slug:key>/",
        remint_servers.remint_servers,
        name="remint_servers",
    ),
    path(BASE + "generate-csr/<uuid:pk>/", csr_dialogs.generate_csr, name="generate_csr"),
    path(
        BASE + "import-certificate/<uuid:pk>/",
        csr_dialogs.import_certificate,
        name="import_certificate",
    ),
    path(BASE + "csrs/<uuid:pk>.zip", csr_dialogs.csr_zip, name="csr_zip"),
    path(SERVER, server_dialogs.server, name="server"),
    path(SERVER + "certificate.pem", downloads.server_pem, name="server_pem"),
    path(SERVER + "future/", server_dialogs.future, name="future"),
    path(SERVER + "future.pem", downloads.future_pem, name="future_pem"),
    path(SERVER + "csr/", downloads.csr, name="csr"),
    path(SERVER + "certificates/<int:certificate>/", server_dialogs.past, name="past"),
    path(SERVER + "certificates/<int:certificate>.pem", downloads.past_pem, name="past_pem"),
    path(SERVER + "try-again/", server_dialogs.try_again, name="ask_again"),
    path(SERVER + "why/", server_dialogs.why, name="why"),
]
