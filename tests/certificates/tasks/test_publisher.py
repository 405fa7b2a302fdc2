"""Names under which Celery tasks are registered."""

from typing import Any

import pytest
from celery import current_app

from certificates import tasks

PREVIOUS_NAMES: dict[str, Any] = {
    "sweep": tasks.schedule_work,
    "tell": tasks.create_notifications,
    "prepare": tasks.prepare_operation,
    "advance": tasks.advance_operation,
    "sign": tasks.sign_pending_csrs,
    "check_ca": tasks.check_ca_key,
    "destroy_key": tasks.destroy_ca_key,
    "do_job": tasks.run_key_job,
    "look_after": tasks.retire_roots_and_renew,
    "hand_over_keys": tasks.distribute_zone_keys,
    "publish_tools": tasks.publish_remint_tools,
    "wake": tasks.notify_agent,
}


@pytest.mark.parametrize("name", PREVIOUS_NAMES)
def test_task_names_of_the_previous_release_are_registered(name):
    task = PREVIOUS_NAMES[name]
    previous: Any = current_app.tasks[f"certificates.tasks.{name}"]
    assert previous.name != task.name
    assert previous.__wrapped__ is task.__wrapped__


def test_the_beat_schedule_refers_to_registered_tasks():
    current_app.loader.import_default_modules()
    for entry in current_app.conf.beat_schedule.values():
        assert entry["task"] in current_app.tasks
