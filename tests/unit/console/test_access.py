"""Who may come in, and that nothing said about it tells a token."""

from __future__ import annotations

import pytest
from pipeline.console.access import Access, parsed
from pipeline.deadletters.actor import Role
from pipeline.errors import UsageError
from pipeline.settings import ConsoleSettings
from starlette.datastructures import Headers
from tests.unit.console.offline import KIM, PAT, TOKENS, VIC


def _access(**settings: object) -> Access:
    return Access.of(ConsoleSettings.model_validate(settings))


def test_a_token_names_a_person_and_their_roles() -> None:
    access = _access(tokens=TOKENS)
    found = access.by_token(PAT)
    assert found is not None
    assert (found.name, found.roles) == ("pat", frozenset({Role.VIEWER, Role.OPERATOR}))
    assert access.by_token(PAT[:-1]) is None
    assert access.by_token("") is None
    assert access.by_token("kim") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KIM, "entry 1 of console.tokens does not read"),
        (f"kim:viewer:{KIM} vic:king:{VIC}", "entry 2 of console.tokens names a role"),
        (f"kim::{KIM}", "names a role"),
        ("kim:viewer:tooshort", "20 characters"),
        (f"kim:viewer:{KIM}\nkim:operator:{VIC}", "stands there before"),
    ],
)
def test_a_wrong_entry_is_named_without_its_token(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parsed(text)
    assert KIM not in str(caught.value)
    assert VIC not in str(caught.value)
    assert "tooshort" not in str(caught.value)


def test_a_proxy_is_believed_only_from_its_own_address() -> None:
    access = _access(user_header="X-User", roles_header="X-Roles", proxies=["10.0.0.0/8", "::1"])
    headers = Headers({"X-User": "kim@example.org", "X-Roles": "operator, king,Viewer"})
    found = access.by_proxy("10.1.2.3", headers)
    assert found is not None
    assert (found.name, found.roles) == ("kim@example.org", frozenset({Role.OPERATOR, Role.VIEWER}))
    assert access.by_proxy("192.168.0.1", headers) is None
    assert access.by_proxy("testclient", headers) is None
    assert access.by_proxy("::1", Headers({"X-User": "kim", "X-Roles": "king"})) is None
    assert access.by_proxy("::1", Headers({"X-Roles": "operator"})) is None


@pytest.mark.parametrize("twice", ["X-User", "X-Roles"])
def test_a_header_beside_the_proxys_own_is_refused_only_where_it_would_be_believed(twice: str) -> None:
    access = _access(user_header="X-User", roles_header="X-Roles", proxies=["10.0.0.1"])
    sent = [(twice, "privacy"), ("X-User", "kim"), ("X-Roles", "viewer")]
    headers = Headers(raw=[(name.lower().encode(), value.encode()) for name, value in sent])
    with pytest.raises(UsageError, match=f"{twice} came 2 times"):
        access.by_proxy("10.0.0.1", headers)
    assert access.by_proxy("10.0.0.2", headers) is None


def test_who_comes_by_a_proxy_that_names_no_roles_may_only_see() -> None:
    found = _access(user_header="X-User", proxies=["127.0.0.1"]).by_proxy("127.0.0.1", Headers({"X-User": "kim"}))
    assert found is not None
    assert found.roles == {Role.VIEWER}


@pytest.mark.parametrize(
    "settings",
    [{"user_header": "X-User"}, {"proxies": ["127.0.0.1"]}, {"user_header": "X-User", "proxies": ["somewhere"]}],
)
def test_half_a_proxy_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"console\.(proxies|user_header)"):
        _access(**settings)


def test_nobody_is_known_when_nothing_is_set() -> None:
    assert not _access().anybody
    assert _access(tokens=TOKENS).anybody
