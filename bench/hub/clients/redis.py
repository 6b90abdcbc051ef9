"""redis-py (asyncio) on uvloop, with msgspec for the JSON; publishing in pipelines of 100."""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
import redis.asyncio
import uvloop

from bench.hub.clients.talk import DATA, SUBJECT, Countdown, ready, say, told

_PIPELINE = 100


async def main() -> None:
    """One role."""
    role, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client = redis.asyncio.Redis(host="127.0.0.1", port=port)
    if role == "subscribe":
        countdown = Countdown(count)
        async with client.pubsub(ignore_subscribe_messages=True) as heard:
            await heard.subscribe(SUBJECT)
            await heard.get_message(timeout=1)
            ready()
            async for message in heard.listen():
                if countdown.arrived(msgspec.json.decode(message["data"])):
                    break
    else:
        await client.ping()
        ready()
        await asyncio.to_thread(told)
        say(time.monotonic())
        for _ in range(count // _PIPELINE):
            async with client.pipeline(transaction=False) as pipeline:
                for _ in range(_PIPELINE):
                    pipeline.publish(SUBJECT, msgspec.json.encode(DATA))
                await pipeline.execute()
    await client.aclose()


uvloop.run(main())
