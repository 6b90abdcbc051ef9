"""Numbers for Prometheus: plain values in, its text format out.

prometheus-client is imported at the first scrape: most runs of Kite are never scraped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from starlette.responses import Response

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric and its samples.

    Args:
        name: as Prometheus has it; of a counter without `_total`.
        help: what it counts.
        kind: `gauge` for what goes up and down, `counter` for what only grows.
        samples: values by their labels (pairs of name and value); one without labels is `{(): 1}`.
    """

    name: str
    help: str
    kind: Literal["gauge", "counter"] = "gauge"
    samples: Mapping[Labels, float] = field(default_factory=dict)


def exposition(families: Iterable[Family]) -> Response:
    """The answer of `GET /metrics`."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415  (see above)
    from prometheus_client.core import (  # noqa: PLC0415
        CounterMetricFamily,
        GaugeMetricFamily,
        Metric,
    )
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}

    class _Families(Collector):
        def collect(self) -> Iterable[Metric]:
            for family in families:
                labels = [name for name, _ in next(iter(family.samples), ())]
                metric = kinds[family.kind](family.name, family.help, labels=labels)
                for pairs, value in family.samples.items():
                    metric.add_metric([text for _, text in pairs], value)
                yield metric

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families())
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
