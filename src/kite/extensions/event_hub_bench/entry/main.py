"""The benchmark as a module; see module.md beside this folder."""

from __future__ import annotations

import sys

from kite import Module
from kite.clock import now_rfc3339
from kite.errors import ConfigError
from kite.extensions.event_hub_bench.plan import Plan


def main() -> None:
    """Measure once, and end."""
    try:
        plan = Plan.read()
    except ConfigError as wrong:
        print(wrong, file=sys.stderr)  # noqa: T201  (its log begins with the module)
        raise SystemExit(wrong.kind.exit) from None
    module = Module()

    async def run() -> None:
        # `kite bench` follows the process from its being ready on.
        await module.ready()
        from kite.extensions.event_hub_bench import delay, flow  # noqa: PLC0415
        from kite.extensions.event_hub_bench.hub import Hub  # noqa: PLC0415
        from kite.extensions.event_hub_bench.result import document, table, write  # noqa: PLC0415

        started_at = now_rfc3339()
        hub = Hub(await module.registry.get("event_hub.metadata.ws_endpoint"), module.token)
        share = plan.seconds / 7
        rows = await flow.measure(
            hub, subscribers=plan.subscribers, size=plan.size, seconds=3 * share
        )
        rows += await delay.latency(hub, rate=plan.rate, size=plan.size, seconds=2 * share)
        rows += await delay.requests(hub, seconds=2 * share)
        for line in table(rows):
            print(line)  # noqa: T201  (its log is where the table belongs)
        write(module.data_dir, document(started_at, rows, plan))
        module.stop()

    @module.on_start
    def begin() -> None:
        module.spawn(run(), name="measurement")

    module.run()


if __name__ == "__main__":
    main()
