"""Signing in and out: what a token opens, and what the browser keeps of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.console.offline import KIM, Offline


@pytest.fixture
def offline(tmp_path: Path) -> Offline:
    return Offline.of(tmp_path)


def test_a_wrong_token_opens_nothing_and_is_not_shown_again(offline: Offline) -> None:
    answer = offline.post("/sign-in", {"token": "guessed-0123456789abcdef"}, at="/sign-in")
    assert answer.status_code == 403
    assert "nobody" in answer.text
    assert "guessed" not in answer.text
    assert offline.browser.get("/").status_code == 303


def test_signing_in_changes_the_cookie_and_signing_out_ends_it(offline: Offline) -> None:
    before = offline.browser.get("/sign-in").cookies["visit"]
    offline.sign_in(KIM)
    signed = offline.browser.cookies["visit"]
    assert signed != before
    assert offline.browser.get("/audit").status_code == 200
    assert offline.post("/sign-out", {}).status_code == 303
    offline.browser.cookies.set("visit", signed)
    assert offline.browser.get("/audit").status_code == 303


def test_the_door_does_not_end_a_sign_in_that_holds(offline: Offline) -> None:
    offline.sign_in(KIM)
    assert "set-cookie" not in offline.browser.get("/sign-in").headers
    assert offline.browser.get("/audit").status_code == 200


def test_the_cookie_is_kept_from_scripts_other_sites_forms_and_plain_http(tmp_path: Path) -> None:
    cookie = Offline.of(tmp_path, https=True).browser.get("/sign-in").headers["set-cookie"].lower()
    assert {"httponly", "samesite=lax", "secure", "path=/"} <= set(re.split(r"; ", cookie))


@pytest.mark.parametrize("following", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
def test_a_sign_in_leads_nowhere_else(offline: Offline, following: str) -> None:
    answer = offline.post("/sign-in", {"token": KIM, "next": following}, at="/sign-in")
    assert answer.headers["location"] == "/"
