from kite import Module

module = Module()
numbers: dict[str, int] = {}


@module.handle("store.put")
async def put(request):
    numbers[request.data["name"]] = request.data["number"]
    return {"count": len(numbers)}


module.run()
