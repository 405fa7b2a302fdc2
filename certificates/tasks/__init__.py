"""Celery tasks, and the functions that enqueue them."""

from certificates.tasks.acme import (
    enqueue_acme_signing,
    enqueue_acme_validation,
    sign_acme_orders,
    validate_acme_names,
)
from certificates.tasks.agents import (
    notify_agent,
    notify_agents,
    publish_remint_tools,
)
from certificates.tasks.authority import (
    check_ca_key,
    destroy_ca_key,
    distribute_zone_keys,
    enqueue_key_job,
    enqueue_signing,
    introduce_second_key,
    issue_crl,
    retire_roots_and_renew,
    run_key_job,
    sign_ocsp_responses,
    sign_pending_csrs,
    sign_trust_list,
)
from certificates.tasks.operations import (
    advance_operation,
    enqueue_operation,
    enqueue_operation_of_update,
    enqueue_step_on_commit,
    enqueue_steps_on_commit,
    prepare_operation,
)
from certificates.tasks.schedule import (
    create_notifications,
    enqueue_schedule_work,
    schedule_work,
    store_summaries,
)

__all__ = [
    "advance_operation",
    "check_ca_key",
    "create_notifications",
    "destroy_ca_key",
    "distribute_zone_keys",
    "enqueue_acme_signing",
    "enqueue_acme_validation",
    "enqueue_key_job",
    "enqueue_operation",
    "enqueue_operation_of_update",
    "enqueue_schedule_work",
    "enqueue_signing",
    "enqueue_step_on_commit",
    "enqueue_steps_on_commit",
    "introduce_second_key",
    "issue_crl",
    "notify_agent",
    "notify_agents",
    "prepare_operation",
    "publish_remint_tools",
    "retire_roots_and_renew",
    "run_key_job",
    "schedule_work",
    "sign_acme_orders",
    "sign_ocsp_responses",
    "sign_pending_csrs",
    "sign_trust_list",
    "store_summaries",
    "validate_acme_names",
]
