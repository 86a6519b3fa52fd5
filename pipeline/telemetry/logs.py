"""Logs: one line an event, as text for people or as JSON for machines. No record's content is ever in one."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


def configure(level: str, form: str) -> None:
    """Sends this process's logs to standard error. `form` is `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The vendors' clients log requests, with their bodies at DEBUG.
    for name in ("openai", "anthropic", "httpx", "httpx2", "httpcore", "httpcore2", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Text(logging.Formatter):
    def formatException(self, ei: object) -> str:  # noqa: N802  # the standard library's name
        """The kind of the exception only: its text may quote a record."""
        return ei[0].__name__ if isinstance(ei, tuple) and ei[0] is not None else ""


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
                "level": record.levelname,
                "room": record.name,
                "message": record.getMessage(),
                "error": record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
            }
        )
