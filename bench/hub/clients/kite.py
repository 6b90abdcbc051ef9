"""Kite's SDK. The boot line is the first of standard input, as from the Launcher."""

from __future__ import annotations

import sys
import time
from typing import Any

from bench.hub.clients.talk import DATA, QUESTION, SUBJECT, Countdown, ready, say
from kite import Event, Module

role, count = sys.argv[1], int(sys.argv[3])
module = Module()


if role == "subscribe":
    countdown = Countdown(count)

    @module.on(SUBJECT)
    def arrived(event: Event) -> None:
        if countdown.arrived(event.data):
            module.stop()

    module.on_start(ready)

elif role == "publish":

    async def publish() -> None:
        say(time.monotonic())
        for number in range(count):
            module.publish(SUBJECT, DATA)
            if number % 256 == 0:
                await module.drained()
        await module.drained()
        module.stop()

    @module.on("bench.begin")
    def begin(event: Event) -> None:  # noqa: ARG001
        module.spawn(publish())

    module.on_start(ready)

elif role == "answer":

    @module.handle(QUESTION)
    def answer(request: Event) -> Any:
        return request.data

    module.on_start(ready)

else:

    async def ask() -> None:
        took = []
        for _ in range(count):
            began = time.perf_counter()
            await module.request(QUESTION, DATA)
            took.append(time.perf_counter() - began)
        say(*took)
        module.stop()

    @module.on("bench.begin")
    def begin_asking(event: Event) -> None:  # noqa: ARG001
        module.spawn(ask())

    module.on_start(ready)

sys.exit(module.run())
