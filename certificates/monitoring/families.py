"""Families of metrics with the prefix of ZCC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

Labels = Mapping[str, str]


def build_gauge(name: str, meaning: str, values: Iterable[tuple[Labels, float]]) -> Metric:
    """Return a gauge with one sample for each set of labels."""
    found = list(values)
    labels = list(found[0][0]) if found else []
    gauge = GaugeMetricFamily(f"zcc_{name}", meaning, labels=labels)
    for named, value in found:
        gauge.add_metric([str(named[label]) for label in labels], value)
    return gauge


def build_counter(name: str, meaning: str, value: float) -> Metric:
    """Return a counter. The name of its sample ends with `_total`."""
    return CounterMetricFamily(f"zcc_{name}", meaning, value=value)
