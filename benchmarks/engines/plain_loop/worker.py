"""What is usually written first: a poll loop, a thread pool, and a commit after each batch.

As in the examples of confluent-kafka: at least once, the offsets of a batch are committed synchronously when all of its
calls are answered and its outputs delivered. The batch is as large as the pool, so the slowest call of it keeps all
others waiting; nothing keeps two tickets of one key in order.
"""

import signal
from concurrent.futures import ThreadPoolExecutor

from call import CallFailedError, MalformedError, Task, ThreadCaller
from confluent_kafka import Consumer, Message, Producer


def main() -> None:
    task, running = Task.read(), True
    call = ThreadCaller(task)
    consumer = Consumer({
        "bootstrap.servers": task.bootstrap,
        "group.id": task.group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })  # fmt: skip
    producer = Producer({"bootstrap.servers": task.bootstrap, "linger.ms": 5})

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    def handle(message: Message) -> tuple[str, bytes | None, bytes | None]:
        try:
            return task.target, message.key(), call(message.value())
        except (MalformedError, CallFailedError):
            return task.graveyard, message.key(), message.value()

    signal.signal(signal.SIGTERM, stop)
    consumer.subscribe([task.source])
    with ThreadPoolExecutor(task.concurrency) as pool:
        while running:
            batch = [one for one in consumer.consume(task.concurrency, timeout=0.5) if not one.error()]
            if not batch:
                continue
            for topic, key, value in pool.map(handle, batch):
                producer.produce(topic, value, key)
            producer.flush()
            consumer.commit(asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    main()
