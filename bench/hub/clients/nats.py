"""nats-py, on uvloop, with msgspec for the JSON."""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
import nats
import uvloop
from nats.aio.msg import Msg

from bench.hub.clients.talk import DATA, QUESTION, SUBJECT, Countdown, ready, say, told


async def main() -> None:
    """One role."""
    role, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    done = asyncio.Event()
    if role == "subscribe":
        countdown = Countdown(count)

        async def arrived(message: Msg) -> None:
            if countdown.arrived(msgspec.json.decode(message.data)):
                done.set()

        await client.subscribe(SUBJECT, cb=arrived, pending_msgs_limit=-1, pending_bytes_limit=-1)
        await client.flush()
        ready()
        await done.wait()
    elif role == "publish":
        ready()
        await asyncio.to_thread(told)
        say(time.monotonic())
        for _ in range(count):
            await client.publish(SUBJECT, msgspec.json.encode(DATA))
        await client.flush()
    elif role == "answer":

        async def answer(message: Msg) -> None:
            await message.respond(msgspec.json.encode(msgspec.json.decode(message.data)))

        await client.subscribe(QUESTION, cb=answer)
        await client.flush()
        ready()
        await done.wait()
    else:
        ready()
        await asyncio.to_thread(told)
        took = []
        for _ in range(count):
            began = time.perf_counter()
            reply = await client.request(QUESTION, msgspec.json.encode(DATA))
            msgspec.json.decode(reply.data)
            took.append(time.perf_counter() - began)
        say(*took)
    await client.close()


uvloop.run(main())
