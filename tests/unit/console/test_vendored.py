"""Files of others are what their page says, byte by byte."""

from __future__ import annotations

import hashlib
import re

from pipeline.console.pages import STATIC

VENDOR = STATIC / "vendor"


def test_every_file_of_others_is_named_with_version_licence_and_digest() -> None:
    page = (VENDOR / "README.md").read_text(encoding="utf-8")
    named = dict(re.findall(r"^\| `(\S+\.js)` .*`([0-9a-f]{64})` \|$", page, re.MULTILINE))
    assert set(named) == {path.name for path in VENDOR.glob("*.js")}
    for name, digest in named.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
        assert (VENDOR / name.replace(".min.js", ".LICENSE")).read_text(encoding="utf-8")
