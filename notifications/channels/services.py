"""The messages that chat and paging services expect.

They are sent by the same client as webhooks, which does not connect to internal addresses.

See: D-231
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from notifications.delivery import events
from notifications.models import Delivery, Target

Kind = Target.Kind
PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue"
# Services limit the length of a text. ntfy turns a longer one into an attachment.
MAX_SUMMARY, MAX_TEXT = 1000, 3500
WITH_TOKEN = (Kind.NTFY, Kind.PAGERDUTY)
SERVICES = (Kind.SLACK, Kind.TEAMS, Kind.MATTERMOST, *WITH_TOKEN)
CRITICAL = (events.BLOCKED, events.ALTERED_ROW, events.AUDIT_LOG, events.UNKNOWN_ROOT)
INFORMATION = (events.STARTED, events.ACTIVATED, events.COMPLETED, events.CANCELED, events.TEST)


@dataclass(frozen=True)
class Message:
    """A request to a service: its URL, its JSON body, and additional headers."""

    url: str
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def build_message(url: str, token: str, delivery: Delivery) -> Message:
    """Return the request that delivers a notification to its service."""
    return _BUILDERS[Kind(delivery.target.kind)](url, token, delivery)


def _to_slack(url: str, token: str, delivery: Delivery) -> Message:
    title, text = _escape_slack(delivery.title), _escape_slack(delivery.text[:MAX_TEXT])
    return Message(url, {"text": f"*[ZCC] {title}*\n{text}"})


def _to_mattermost(url: str, token: str, delivery: Delivery) -> Message:
    title, text = _escape_markdown(delivery.title), _escape_markdown(delivery.text[:MAX_TEXT])
    return Message(url, {"text": f"**[ZCC] {title}**\n\n{text}"})


def _to_teams(url: str, token: str, delivery: Delivery) -> Message:
    """Return an Adaptive Card, as Workflows of Teams expect it."""
    texts = {"title": delivery.title, "text": delivery.text[:MAX_TEXT]}
    texts = {name: _escape_markdown(text) for name, text in texts.items()}
    block = {"type": "TextBlock", "wrap": True}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {**block, "text": f"[ZCC] {texts['title']}", "weight": "bolder", "size": "medium"},
            {**block, "text": texts["text"].replace("\n", "\n\n")},
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return Message(url, {"type": "message", "attachments": [attachment]})


def _to_ntfy(url: str, token: str, delivery: Delivery) -> Message:
    """Return a message to the topic at the end of the URL. A token is optional."""
    parts = urlsplit(url)
    folder, _slash, topic = parts.path.rstrip("/").rpartition("/")
    body = {
        "topic": topic,
        "title": f"[ZCC] {delivery.title}",
        "message": delivery.text[:MAX_TEXT],
        "priority": {"critical": 5, "error": 4}.get(_get_severity(delivery), 3),
    }
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Message(urlunsplit((parts.scheme, parts.netloc, f"{folder}/", "", "")), body, headers)


def _to_pagerduty(url: str, token: str, delivery: Delivery) -> Message:
    """Return an event of the PagerDuty Events API v2."""
    payload = {
        "summary": f"[ZCC] {delivery.title}"[:MAX_SUMMARY],
        "source": "zcc",
        "severity": _get_severity(delivery),
        "timestamp": delivery.created_at.isoformat(),
        "class": delivery.event,
        "custom_details": {"text": delivery.text[:MAX_TEXT]},
    }
    key = f"zcc:{delivery.key}"[:255]
    body = {"routing_key": token, "event_action": "trigger", "dedup_key": key, "payload": payload}
    return Message(url, body)


def _get_severity(delivery: Delivery) -> str:
    if delivery.event in INFORMATION:
        return "info"
    return "critical" if delivery.event in CRITICAL else "error"


def _escape_slack(text: str) -> str:
    """Return text without links, formatting, and mentions of Slack."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape_markdown(text: str) -> str:
    """Return text without hidden links, and without mentions such as @all."""
    return text.replace("@", "@\u200b").replace("[", "\\[").replace("`", "\\`")


_BUILDERS: dict[Target.Kind, Callable[[str, str, Delivery], Message]] = {
    Kind.SLACK: _to_slack,
    Kind.TEAMS: _to_teams,
    Kind.MATTERMOST: _to_mattermost,
    Kind.NTFY: _to_ntfy,
    Kind.PAGERDUTY: _to_pagerduty,
}
