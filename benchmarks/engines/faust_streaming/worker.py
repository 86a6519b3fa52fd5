"""Faust as its documentation has it for calls: an agent with `concurrency`, at least once.

With concurrency, it says, events are processed out of order.
"""

import sys

import faust
from call import AsyncCaller, CallFailedError, MalformedError, Task

TASK = Task.read()
CALLERS: list[AsyncCaller] = []
app = faust.App(
    TASK.group,
    broker=f"kafka://{TASK.bootstrap}",
    store="memory://",
    topic_disable_leader=True,
    topic_allow_declare=False,
    topic_partitions=TASK.partitions,
)
source, target, graveyard = (
    app.topic(name, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    for name in (TASK.source, TASK.target, TASK.graveyard)
)


@app.agent(source, concurrency=TASK.concurrency)
async def sort(stream: faust.StreamT[bytes]) -> None:
    if not CALLERS:
        CALLERS.append(AsyncCaller(TASK))
    async for event in stream.events():
        try:
            await target.send(key=event.key, value=await CALLERS[0](event.value))
        except (MalformedError, CallFailedError):
            await graveyard.send(key=event.key, value=event.value)


if __name__ == "__main__":
    # Several workers on one host would want the same port.
    sys.argv[1:] = ["worker", "-l", "warn", "--without-web"]
    app.main()
