"""URL paths of Home, the Certificates page, its panes, dialogs, and downloads."""

from django.urls import path

from certificates.acme.account_keys import views as acme_views
from certificates.acme.host_certificates import views as host_views
from certificates.agent_upgrades import views as agent_views
from certificates.approvals import views as approvals_views
from certificates.authority import key_views
from certificates.authority import views as authority_views
from certificates.future_ca import views as future_ca_views
from certificates.help import views as help_views
from certificates.installation import views as installation_views
from certificates.key_records import views as key_record_views
from certificates.monitoring import home
from certificates.monitoring.checks import views as check_views
from certificates.operations.presentation import (
    actions,
    change_ca,
    dialogs,
    page,
    remint_ca,
    report_page,
)
from certificates.pilot import views as pilot_views
from certificates.progress import views as progress_views
from certificates.revocation import views as revocation_views
from certificates.search import views as search_views
from certificates.servers import csr_views, downloads, remint_views
from certificates.servers import views as servers_views
from certificates.trust import views as trust_views
from certificates.windows import views as window_views

app_name = "certificates"
BASE = "configuration/certificates/"
OPERATION = BASE + "operations/<uuid:pk>/"
JOB = BASE + "jobs/<uuid:pk>/"
ACME = "configuration/acme-accounts/"
WINDOWS = "configuration/maintenance-windows/"
SERVER = BASE + "servers/<uuid:pk>/"
AGENTS = "devices/agents/<uuid:pk>/"
urlpatterns = [
    path("", home.home, name="home"),
    path("help/", help_views.show_help, name="help"),
    path("running/", progress_views.show_banner, name="banner"),
    path("search/", search_views.search, name="search"),
    path("health-checks/", check_views.show_checks, name="checks"),
    path("health-checks/<slug:key>/accept/", check_views.accept_finding, name="accept_finding"),
    path(
        "health-checks/acceptances/<int:pk>/withdraw/",
        check_views.withdraw_acceptance,
        name="withdraw_acceptance",
    ),
    path("devices/add/", installation_views.add_devices, name="add_devices"),
    path("devices/added/", installation_views.added_devices, name="added_devices"),
    path("devices/agents/", agent_views.show_upgrades, name="agent_upgrades"),
    path("devices/agents/upgrade/", agent_views.start, name="start_agent_upgrade"),
    path(AGENTS, agent_views.show_upgrade, name="agent_upgrade"),
    path(AGENTS + "approve/", agent_views.approve, name="approve_agent_upgrade"),
    path(AGENTS + "pause/", agent_views.pause, name="pause_agent_upgrade"),
    path(AGENTS + "resume/", agent_views.resume, name="resume_agent_upgrade"),
    path(AGENTS + "cancel/", agent_views.cancel, name="cancel_agent_upgrade"),
    path(ACME, acme_views.show_keys, name="acme_accounts"),
    path(ACME + "<int:pk>/disable/", acme_views.disable_key, name="disable_acme_account"),
    path(ACME + "certificates/", host_views.show_certificates, name="host_certificates"),
    path(
        ACME + "certificates/<uuid:pk>/revoke/", host_views.revoke_certificate, name="revoke_host"
    ),
    path(WINDOWS, window_views.show_windows, name="windows"),
    path(WINDOWS + "new/", window_views.edit_window, name="new_window"),
    path(WINDOWS + "<int:pk>/", window_views.edit_window, name="window"),
    path(WINDOWS + "<int:pk>/remove/", window_views.remove_window, name="remove_window"),
    path(WINDOWS + "pilot/", pilot_views.edit_group, name="pilot_group"),
    path(WINDOWS + "freezes/new/", window_views.edit_freeze, name="new_freeze"),
    path(WINDOWS + "freezes/<int:pk>/", window_views.edit_freeze, name="freeze"),
    path(WINDOWS + "freezes/<int:pk>/remove/", window_views.remove_freeze, name="remove_freeze"),
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
    path(BASE + "restore-ca/<uuid:pk>/adopt/", key_views.import_ca, name="adopt_ca"),
    path(JOB, key_views.show_job, name="key_job"),
    path(JOB + "confirm/", approvals_views.decide_job, name="decide_job"),
    path(OPERATION + "confirm/", approvals_views.approve_operation, name="approve_operation"),
    path(OPERATION + "confirm/<slug:action>/", approvals_views.decide_action, name="decide_action"),
    path(JOB + "again/", key_views.download_again, name="download_again"),
    path(JOB + "<slug:ticket>.zip", key_views.download_backup, name="backup_file"),
    path(BASE + "cas/<uuid:pk>/key-record/", key_record_views.key_record, name="key_record"),
    path(BASE + "trust/", trust_views.show_trust, name="trust"),
    path(OPERATION + "not-refreshed/", trust_views.show_not_refreshed, name="not_refreshed"),
    path(BASE + "ca.pem", downloads.ca_pem, name="ca_pem"),
    path(BASE + "readiness-policy/", actions.readiness_policy, name="readiness_policy"),
    path(BASE + "operations/", page.operations, name="operations"),
    path(BASE + "operations/selected/", dialogs.run_bulk_action, name="bulk_operations"),
    path(OPERATION, page.operation, name="operation"),
    path(OPERATION + "live/", page.operation_live, name="operation_live"),
    path(OPERATION + "report/", report_page.report, name="report"),
    path(OPERATION + "activation/", actions.change_activation_time, name="change_activation"),
    path(OPERATION + "continue/", pilot_views.continue_operation, name="continue_after_pilot"),
    path(OPERATION + "ca.csr", future_ca_views.ca_csr, name="ca_csr"),
    path(OPERATION + "import-ca/", future_ca_views.import_ca, name="import_ca"),
    path(OPERATION + "force/", actions.force_activation, name="force"),
    path(
        OPERATION + "continue-without-cross-certificate/",
        actions.continue_without_cross_certificate,
        name="continue_without_cross_certificate",
    ),
    path(OPERATION + "try-again/", actions.try_again, name="try_again"),
    path(OPERATION + "roll-back/", actions.roll_back, name="roll_back"),
    path(OPERATION + "replication/", dialogs.replication_status, name="replication"),
    path(OPERATION + "replication/now/", dialogs.replicate_now, name="replicate_now"),
    path(OPERATION + "replication/<int:replica>/exclude/", dialogs.exclude, name="exclude"),
    path(OPERATION + "assign/", dialogs.assign, name="assign"),
    path(OPERATION + "cancel/", dialogs.cancel, name="cancel"),
    path(OPERATION + "clear/", dialogs.clear_failure, name="clear_failure"),
    path(BASE + "servers/actions/", csr_views.server_actions, name="server_actions"),
    path(BASE + "servers/selected/", csr_views.open_dialog, name="open_action"),
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
    path(
        SERVER + "certificates/<int:certificate>/",
        servers_views.previous,
        name="previous_certificate",
    ),
    path(
        SERVER + "certificates/<int:certificate>.pem",
        downloads.previous_pem,
        name="previous_certificate_pem",
    ),
    path(
        SERVER + "certificates/<int:certificate>/revoke/",
        revocation_views.revoke_certificate,
        name="revoke",
    ),
    path(SERVER + "try-again/", servers_views.retry, name="retry_request"),
    path(SERVER + "failure-details/", servers_views.failure_details, name="failure_details"),
]
