"""People whom a proxy names: let in without a token, and nobody in their place."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.console.offline import Offline


def test_who_a_proxy_names_needs_no_token_and_has_forms_of_their_own(tmp_path: Path) -> None:
    proxied = {"user_header": "X-User", "roles_header": "X-Roles", "proxies": ["10.0.0.1"]}
    headers = {"X-User": "kim@example.org", "X-Roles": "operator"}
    inside = Offline.of(tmp_path / "inside", peer="10.0.0.1", **proxied)
    page = inside.browser.get("/dead-letters/close?cause=undecodable", headers=headers)
    assert "kim@example.org" in page.text
    (sign,) = set(re.findall(r'name="form_sign" value="(\w+)"', page.text))
    form = {"form_sign": sign, "id": "E-1", "why": "curious"}
    assert "takes the role privacy" in inside.browser.post("/dead-letters/one", data=form, headers=headers).text
    assert [one.by for one in inside.desk.kept.operations] == ["kim@example.org"]
    outside = Offline.of(tmp_path / "outside", peer="10.0.0.2", **proxied)
    assert outside.browser.get("/audit", headers=headers).status_code == 303


def test_a_name_beside_the_one_of_the_proxy_opens_nothing(tmp_path: Path) -> None:
    inside = Offline.of(tmp_path, peer="10.0.0.1", user_header="X-User", proxies=["10.0.0.1"])
    answer = inside.browser.get("/audit", headers=[("X-User", "mallory"), ("X-User", "kim")])
    assert answer.status_code == 400
    assert "has to overwrite it" in answer.text
