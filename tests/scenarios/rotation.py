"""Which long scenario `make test` runs in addition: another one each day.

Each takes up to about three minutes on a machine with two cores: it goes through one operation.
`make test ROTATION=n` repeats the choice of day n of the year.
"""

from __future__ import annotations

import os
import sys

# The number of the rotation, which the Makefile sets. Without it, no scenario is added.
VARIABLE = "ZCC_ROTATION"
SHORT = (
    "test_blocked.py::test_another_activation_time_lets_the_server_come_along",
    "test_broker_lost.py::test_a_broker_that_loses_its_data_at_several_stages_costs_no_operation",
    "test_change_ca.py::test_internal_to_internal_on_another_server",
    "test_database_killed.py::test_a_database_that_is_killed_at_several_stages_costs_no_operation",
    "test_faults.py::test_whatever_is_killed_in_whatever_order_the_operation_completes_once",
    "test_full_disk.py::test_a_zone_on_a_full_disk_tells_so_and_goes_on_when_there_is_room",
    "test_notifications.py"
    "::test_an_operation_is_told_by_mail_and_signed_webhook_whatever_a_slow_receiver_does",
    "test_previous_version.py::test_agents_of_the_previous_version_complete_a_remint_ca",
    "test_production.py::test_two_primary_servers_on_one_database_go_through_a_remint_ca",
    "test_remint_servers.py::test_two_servers_with_a_satellite_and_a_device_that_was_away",
    "test_without_cross_certificate.py"
    "::test_who_applied_it_loses_no_contact_and_who_was_away_recovers",
    "test_zman.py::test_the_command_line_alone_remints_the_zone",
    "test_database_attacks.py::test_the_database_alone_gives_no_key_and_raises_alarms",
    "test_remint_servers.py::test_one_server_is_reminted_and_the_others_are_left_alone",
    "test_returning_devices.py::test_a_device_returns_without_a_key_and_a_copy_is_told_what_to_do",
    "test_stolen_zone_key.py::test_a_stolen_ed25519_key_moves_no_device",
    "test_trust_list.py::test_a_server_that_responds_for_the_console_feeds_no_root_to_a_device",
    "test_zone_start.py::test_a_zone_comes_up_goes_down_and_goes_on",
    "test_restored_database.py::test_hosts_that_are_an_hour_ahead_of_the_backup_continue",
)


def choose(number: int) -> str:
    """Return the scenario of a number: its file and its name."""
    return SHORT[number % len(SHORT)]


def get_chosen() -> str:
    """Return the scenario that the environment selects, or "" for none."""
    number = os.environ.get(VARIABLE, "")
    return choose(int(number)) if number else ""


if __name__ == "__main__":
    sys.stdout.write(f"Rotating scenario: {get_chosen()}\n")
