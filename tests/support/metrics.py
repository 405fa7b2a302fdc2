"""The metrics of a zone, parsed."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from certificates.monitoring import metrics

Samples = dict[str, list[tuple[dict[str, str], float]]]


def read_metrics(now: datetime | None = None) -> Samples:
    """Return the labels and values of each metric. A metric without samples has an empty list."""
    text, _kind = metrics.render_metrics(now or timezone.now())
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        if not family.samples:
            found[family.name] = []
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found
