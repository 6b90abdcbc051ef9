"""The Hub's figures for Prometheus. Imported at the first scrape: prometheus-client is not small."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from kite.version import __version__

if TYPE_CHECKING:
    from kite.event_hub.service import Hub

CONTENT_TYPE = CONTENT_TYPE_LATEST

_PER_CLIENT = (
    ("in", "events that the client published and the hub accepted", "published"),
    ("duplicates", "events of the client that the hub had seen before", "duplicates"),
    ("refused", "frames of the client that were refused", "refused"),
    ("out", "events that the client's socket has taken", "delivered"),
    ("dropped", "events that were queued for the client and never will be delivered", "dropped"),
    ("stalls", "how often publishers were held because of the client", "stalls"),
    ("gaps", "how often the client was told that its oldest events were dropped", "gaps"),
    ("late_replies", "answers of the client that nobody waited for any more", "late_replies"),
)


class HubCollector(Collector):
    """Reads the Hub's plain integers when asked."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterable[Metric]:
        """The metrics of now."""
        yield from self._per_client()
        yield from self._per_module()
        yield from self._whole()
        yield from self._streams()

    def _per_client(self) -> Iterable[Metric]:
        labels = ["module", "connection"]
        sessions = list(self._hub.switch.sessions.values())
        for name, text, field in _PER_CLIENT:
            family = CounterMetricFamily(f"kite_hub_client_{name}", text, labels=labels)
            for session in sessions:
                where = session if hasattr(session, field) else session.outbox
                family.add_metric([session.name, str(session.number)], getattr(where, field))
            yield family
        queued = GaugeMetricFamily(
            "kite_hub_client_queued_bytes", "bytes that wait for the client", labels=labels
        )
        waiting = GaugeMetricFamily(
            "kite_hub_client_queued", "events that wait for the client", labels=labels
        )
        for session in sessions:
            marks = [session.name, str(session.number)]
            queued.add_metric(marks, session.outbox.load)
            waiting.add_metric(marks, session.outbox.waiting)
        yield queued
        yield waiting

    def _per_module(self) -> Iterable[Metric]:
        closed = self._hub.switch.tally.closed
        for name, text, field in _PER_CLIENT:
            family = CounterMetricFamily(
                f"kite_hub_closed_{name}", f"{text} (closed connections)", labels=["module"]
            )
            for module, account in closed.items():
                family.add_metric([module], getattr(account, field))
            yield family

    def _streams(self) -> Iterable[Metric]:
        streaming = self._hub.switch.streaming
        if streaming is None:
            return
        events = GaugeMetricFamily(
            "kite_hub_stream_events", "events that the stream holds", labels=["stream"]
        )
        size = GaugeMetricFamily(
            "kite_hub_stream_bytes", "bytes of the events that the stream holds", labels=["stream"]
        )
        last = CounterMetricFamily(
            "kite_hub_stream_kept", "events that the stream ever kept", labels=["stream"]
        )
        for name, stream in streaming.streams.items():
            events.add_metric([name], stream.extent.count)
            size.add_metric([name], stream.extent.size)
            last.add_metric([name], stream.extent.last)
        yield from (events, size, last)
        labels = ["module", "durable", "stream"]
        behind = GaugeMetricFamily(
            "kite_hub_durable_behind", "events of the stream it has not looked at", labels=labels
        )
        pending = GaugeMetricFamily(
            "kite_hub_durable_open", "events that were delivered and not settled", labels=labels
        )
        for (module, name), desk in streaming.readers.desks.items():
            marks = [module, name, desk.stream.name]
            behind.add_metric(marks, desk.stream.extent.last - desk.durable.position)
            pending.add_metric(marks, desk.durable.pending)
        yield from (behind, pending)

    def _whole(self) -> Iterable[Metric]:
        switch = self._hub.switch
        tally = switch.tally
        info = InfoMetricFamily("kite_hub", "what runs")
        info.add_metric([], {"version": __version__, "hot_path": self._hub.parts.name})
        yield info
        yield GaugeMetricFamily(
            "kite_hub_connections", "open connections", value=len(switch.sessions)
        )
        yield GaugeMetricFamily(
            "kite_hub_pattern_tokens",
            "tokens of all subscribed patterns",
            value=switch.router.tokens,
        )
        yield GaugeMetricFamily(
            "kite_hub_uptime_seconds",
            "seconds since this life of the hub began",
            value=time.time() - self._hub.started_at,
        )
        yield CounterMetricFamily(
            "kite_hub_own_events", "events that the hub itself published", value=tally.published
        )
        yield CounterMetricFamily(
            "kite_hub_slow_consumers", "connections that were cut", value=tally.slow_consumers
        )
        yield GaugeMetricFamily(
            "kite_hub_requests", "requests that wait for an answer", value=len(switch.questions)
        )
        history = switch.history
        yield GaugeMetricFamily(
            "kite_hub_history_bytes", "bytes that are remembered, about", value=history.size
        )
        yield GaugeMetricFamily(
            "kite_hub_history_events", "events that are remembered", value=history.events
        )
        yield CounterMetricFamily(
            "kite_hub_resumed",
            "subscriptions that got what they had missed",
            value=switch.recall.resumed,
        )
        yield CounterMetricFamily(
            "kite_hub_not_resumed",
            "subscriptions that were told that they had missed something",
            value=switch.recall.not_resumed,
        )
        late = sum(each.late_replies for each in switch.sessions.values())
        late += sum(each.late_replies for each in tally.closed.values())
        yield CounterMetricFamily(
            "kite_hub_late_replies", "answers that nobody waited for any more", value=late
        )
        refused = CounterMetricFamily(
            "kite_hub_refused", "frames that were refused, by code", labels=["code"]
        )
        for code, count in tally.refused.items():
            refused.add_metric([code], count)
        yield refused


def exposition(hub: Hub) -> bytes:
    """The answer of `GET /metrics`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HubCollector(hub))
    return generate_latest(registry)
