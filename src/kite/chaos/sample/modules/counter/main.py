import asyncio
import itertools

from kite import KiteError, Module

module = Module()


@module.on_start
async def begin():
    module.spawn(count())


async def count():
    for number in itertools.count():
        try:
            await module.request("store.put", {"name": "counter", "number": number}, timeout=1.0)
        except (KiteError, OSError):
            pass  # the store is away: that is what this system is for
        module.publish("counter.counted", {"number": number})
        await asyncio.sleep(0.2)


module.run()
