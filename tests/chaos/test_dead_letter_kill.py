"""Dead letters of six causes sent again while worker and replayer are killed: each answered exactly once.

The long form, 10,000 of them: `make chaos`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from pipeline.devstack.stack import Plan, Stack
from tests.chaos.dead_letter_campaign import CAUSES, campaign


@pytest.mark.long
@pytest.mark.timeout(400)
def test_each_is_answered_once_though_worker_and_replayer_are_killed(
    new_stack: Callable[[Plan], Stack], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = campaign(new_stack(Plan()), tmp_path, letters=120, rate=40)
    record_property("found", found)
    assert found["wrong"] == {}
    assert set(cast(dict[str, int], found["groups"])) == set(CAUSES)
    assert found["kills"] == {"worker": 2, "replayer": 1}
