"""Quix Streams as its documentation has it: a dataframe with one function, exactly once, scaled by processes.

A process handles one record at a time; there may be as many processes as partitions.
"""

from call import CallFailedError, MalformedError, Task, ThreadCaller
from quixstreams import Application


def main() -> None:
    task = Task.read()
    call = ThreadCaller(task)
    application = Application(
        broker_address=task.bootstrap,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        auto_create_topics=False,
        loglevel="WARNING",
    )
    form = {"key_deserializer": "bytes", "value_deserializer": "bytes"}
    source = application.topic(task.source, **form)
    target, graveyard = (
        application.topic(name, key_serializer="bytes", value_serializer="bytes")
        for name in (task.target, task.graveyard)
    )

    def handle(value: bytes) -> tuple[bool, bytes]:
        try:
            return True, call(value)
        except (MalformedError, CallFailedError):
            return False, value

    answered = application.dataframe(source).apply(handle)
    answered.filter(lambda one: one[0]).apply(lambda one: one[1]).to_topic(target)
    answered.filter(lambda one: not one[0]).apply(lambda one: one[1]).to_topic(graveyard)
    application.run()


if __name__ == "__main__":
    main()
