"""FastStream as its documentation has it for concurrency: one subscriber with `max_workers`.

That takes offsets as done when records are fetched (`AckPolicy.ACK_FIRST`): a record in flight is lost with its worker.
With `AckPolicy.ACK` there is one call at a time for each partition instead.
"""

import asyncio

from call import AsyncCaller, CallFailedError, MalformedError, Task
from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

TASK = Task.read()
BROKER = KafkaBroker(TASK.bootstrap, logger=None)
APP = FastStream(BROKER, logger=None)
CALLERS: list[AsyncCaller] = []


@APP.on_startup
async def start() -> None:
    CALLERS.append(AsyncCaller(TASK))


@APP.after_shutdown
async def end() -> None:
    await CALLERS[0].close()


@BROKER.subscriber(TASK.source, group_id=TASK.group, auto_offset_reset="earliest", max_workers=TASK.concurrency)
async def sort(message: KafkaMessage) -> None:
    key, value = message.raw_message.key, message.raw_message.value
    try:
        await BROKER.publish(await CALLERS[0](value), TASK.target, key=key)
    except (MalformedError, CallFailedError):
        await BROKER.publish(value, TASK.graveyard, key=key)


if __name__ == "__main__":
    asyncio.run(APP.run())
