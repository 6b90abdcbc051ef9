import asyncio
import contextlib
import itertools

from kite import KiteError, Module

module = Module()


@module.on_start
async def begin():
    module.spawn(count())


async def count():
    for number in itertools.count():
        # The store is away now and then: that is what this system is for.
        with contextlib.suppress(KiteError, OSError):
            await module.request("store.put", {"name": "counter", "number": number}, timeout=1.0)
        module.publish("counter.counted", {"number": number})
        await asyncio.sleep(0.2)


module.run()
