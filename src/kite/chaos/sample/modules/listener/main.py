from kite import Module

module = Module()


@module.on("counter.counted")
async def counted(event):
    module.heard = event.data["number"]


module.run()
