from kite import Module

module = Module()


@module.handle("{{name}}.hello")
async def hello(request):
    to = (request.data or {}).get("to", "world")
    module.publish("{{name}}.said", {"to": to})
    return {"text": f"hello, {to}"}


@module.on("{{name}}.said")
async def said(event):
    module.log.info("greeting.said to=%s", event.data["to"])


module.run()
