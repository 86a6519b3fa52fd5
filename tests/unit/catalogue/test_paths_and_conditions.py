"""Paths into records, and the `when` filter that is made of them."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline.catalogue.specs import Rule
from pipeline.conditions import meets
from pipeline.paths import first, replaced, strings

RECORD: Mapping[str, object] = {
    "id": "7",
    "empty": "",
    "customer": {"name": "Ann", "age": 5, "tier": None},
    "documents": [{"text": "one"}, {"text": ""}, {"name": "x"}, {"text": "two"}],
    "tags": ["a", "b"],
    "attributes": {"b": "2", "a": "1"},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("id", [("id", "7")]),
        ("empty", []),
        ("customer.name", [("customer.name", "Ann")]),
        ("customer.age", []),
        ("customer", []),
        ("nothing.at.all", []),
        ("documents[].text", [("documents[0].text", "one"), ("documents[3].text", "two")]),
        ("documents.text", []),
        ("tags[]", [("tags[0]", "a"), ("tags[1]", "b")]),
        ("attributes.*", [("attributes.a", "1"), ("attributes.b", "2")]),
    ],
)
def test_a_path_finds_each_text_with_its_place(path: str, found: list[tuple[str, str]]) -> None:
    assert list(strings(RECORD, path)) == found


@pytest.mark.parametrize("path", ["id", "customer.name", "documents[].text", "tags[]", "attributes.*", "nothing"])
def test_replacing_changes_what_the_path_finds_and_nothing_else(path: str) -> None:
    before = repr(RECORD)
    changed = replaced(RECORD, path, str.upper)
    assert [text for _, text in strings(changed, path)] == [text.upper() for _, text in strings(RECORD, path)]
    assert repr(RECORD) == before, "the record itself stays"
    assert replaced(RECORD, path, str) == RECORD


TREES = st.recursive(
    st.text(max_size=3) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.lists(st.sampled_from(["a", "b", "c", "*", "a[]", "b[]"]), min_size=1, max_size=3).map(".".join)


@given(TREES, PATHS)
def test_finding_and_replacing_agree_on_any_record(record: object, path: str) -> None:
    found = [text for _, text in strings(record, path)]
    marked = [text for _, text in strings(replaced(record, path, lambda text: f"<{text}>"), path)]
    assert [text for text in marked if text != "<>"] == [f"<{text}>" for text in found]
    assert len({place for place, _ in strings(record, path)}) == len(found), "every place is told apart"


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"id": {"equals": "7"}}, True),
        ({"id": {"equals": 7}}, False),
        ({"id": {"not_equals": "7"}}, False),
        ({"id": {"in": ["6", "7"]}}, True),
        ({"id": {"in": []}}, False),
        ({"id": {"not_in": ["6"]}}, True),
        ({"customer.name": {"equals": "Ann"}, "id": {"equals": "8"}}, False),
        ({"id": {"not_equals": "8", "in": ["7"]}}, True),
        ({"customer.name": {"exists": True}}, True),
        ({"customer.tier": {"exists": False}}, True),
        ({"empty": {"exists": True}}, False),
        ({"nothing": {"exists": False}}, True),
        ({"nothing": {"equals": None}}, True),
        ({"nothing": {"not_in": ["x"]}}, True),
        ({"id.deeper": {"exists": True}}, False),
    ],
)
def test_all_conditions_must_hold(when: Mapping[str, Mapping[Rule, object]], holds: bool) -> None:
    assert meets(when, RECORD) is holds


@given(st.text(), st.lists(st.text(), max_size=3))
def test_each_rule_has_its_opposite(value: str, some: list[str]) -> None:
    record = {"f": value}
    assert meets({"f": {"in": some}}, record) != meets({"f": {"not_in": some}}, record)
    assert meets({"f": {"equals": "x"}}, record) != meets({"f": {"not_equals": "x"}}, record)
    assert meets({"f": {"exists": True}}, record) != meets({"f": {"exists": False}}, record)


def test_a_path_without_arrays_gives_its_value() -> None:
    assert first(RECORD, "customer.age") == 5
    assert first(RECORD, "customer.name.first") is None
