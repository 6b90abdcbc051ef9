"""`GET /metrics` of the Launcher, in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

STATES = ("stopped", "waiting", "starting", "running", "stopping", "backing_off", "failed")


class _Modules(Collector):
    def __init__(self, records: Iterable[dict[str, Any]]) -> None:
        self._records = list(records)

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "kite_module_state", "1 for the actual state of a module", labels=["module", "state"]
        )
        uptime = GaugeMetricFamily(
            "kite_module_uptime_seconds", "age of the module's process", labels=["module"]
        )
        life = CounterMetricFamily(
            "kite_module_lives", "processes a module has had in this instance", labels=["module"]
        )
        restarts = CounterMetricFamily(
            "kite_module_restarts", "restarts that nobody asked for", labels=["module"]
        )
        cpu = CounterMetricFamily(
            "kite_module_cpu_seconds", "processor time of all its lives", labels=["module"]
        )
        memory = GaugeMetricFamily(
            "kite_module_memory_bytes",
            "proportional set size of the module's processes",
            labels=["module"],
        )
        processes = GaugeMetricFamily(
            "kite_module_processes", "processes that the module has", labels=["module"]
        )
        for record in self._records:
            name = record["name"]
            for each in STATES:
                state.add_metric([name, each], float(record["actual_state"] == each))
            uptime.add_metric([name], record["uptime"] or 0.0)
            life.add_metric([name], record["life"])
            restarts.add_metric([name], record["restarts"])
            cpu.add_metric([name], record["cpu_seconds"])
            memory.add_metric([name], record["memory_bytes"] or 0)
            processes.add_metric([name], record["processes"])
        yield from (state, uptime, life, restarts, cpu, memory, processes)


def exposition(records: Iterable[dict[str, Any]]) -> tuple[bytes, str]:
    """The text and its content type.

    Args:
        records: the modules, as `GET /launcher/modules` shows them.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Modules(records))
    return generate_latest(registry), CONTENT_TYPE_LATEST
