"""aiomqtt at quality of service 0, with msgspec for the JSON. Its transport needs asyncio's own loop."""

from __future__ import annotations

import asyncio
import sys
import time

import aiomqtt
import msgspec

from bench.hub.clients.talk import DATA, SUBJECT, Countdown, ready, say, told


async def main() -> None:
    """One role."""
    role, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    topic = SUBJECT.replace(".", "/")
    async with aiomqtt.Client("127.0.0.1", port) as client:
        if role == "subscribe":
            countdown = Countdown(count)
            await client.subscribe(topic)
            ready()
            async for message in client.messages:
                payload = message.payload
                assert isinstance(payload, bytes)
                if countdown.arrived(msgspec.json.decode(payload)):
                    break
        else:
            ready()
            await asyncio.to_thread(told)
            say(time.monotonic())
            for _ in range(count):
                await client.publish(topic, msgspec.json.encode(DATA))


asyncio.run(main())
