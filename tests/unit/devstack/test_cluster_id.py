"""The identity of an embedded cluster."""

from __future__ import annotations

import base64

from pipeline.devstack.kafka import new_cluster_id


def test_no_cluster_id_looks_like_an_option_to_kafkas_tools() -> None:
    made = {new_cluster_id() for _ in range(2000)}
    assert len(made) == 2000
    for cluster_id in made:
        assert not cluster_id.startswith("-")
        assert len(base64.urlsafe_b64decode(cluster_id + "==")) == 16
