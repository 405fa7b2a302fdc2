"""URL paths of the agent protocol."""

import pytest
from django.urls import resolve

UPDATE = "/zac/v1/updates/7c0e0a2e-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("path", "previous_path"),
    [("preflight", "rehearsal"), ("activation-order", "go")],
)
def test_paths_of_the_previous_release_are_accepted(path, previous_path):
    assert resolve(f"{UPDATE}/{previous_path}").func is resolve(f"{UPDATE}/{path}").func
