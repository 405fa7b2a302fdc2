"""REST API: the calendar of expirations (D-232)."""

from tests.api.conftest import succeeds


@succeeds("GET /expirations.ics")
def test_the_calendar_needs_no_right(everybody):
    response = everybody.get("expirations.ics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert "SUMMARY:The certificate for ps-01 expires" in response.content.decode()
