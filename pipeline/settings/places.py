"""Where things are on this machine, and secrets by the variables that hold them."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from pipeline.errors import UsageError

CACHE_FOLDER = Path(
    os.environ.get("PIPELINE_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enrichment-pipeline"
)
"""Everything this machine may lose: downloaded servers, the embedded stack's data, worker slots."""
TABLES_FOLDER = CACHE_FOLDER / "tables"
"""Where the compiled table of redaction is kept: making it takes seconds."""


def embedded_state_file() -> Path:
    """Where a running embedded stack says how to reach it (written by `pipeline dev up`)."""
    return CACHE_FOLDER / "stack" / "state.json"


def secret(name: str) -> SecretStr | None:
    """The secret in the variable `name`, or in the file that `<name>_FILE` names; None when neither is set."""
    if not name:
        return None
    if value := os.environ.get(name):
        return SecretStr(value)
    if path := os.environ.get(f"{name}_FILE"):
        return SecretStr(read_secret(f"{name}_FILE", path))
    return None


def read_secret(variable: str, path: str) -> str:
    """What the file holds that `variable` names. Raises UsageError when it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UsageError(f"{variable} names {path}, which cannot be read ({why})") from None
