"""librdkafka's own log lines, as Python's."""

import logging


class LibraryLog:
    """Passes them on as debug lines: what matters of them comes as errors of calls, and most are about retries."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def log(self, level: int, message: str, *args: object) -> None:
        """What the client library calls; `level` is its own opinion."""
        self._log.debug("librdkafka (%s): " + message, logging.getLevelName(level).lower(), *args)
