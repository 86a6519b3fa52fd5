"""A schema that a vendor would refuse is refused here, with the vendor's words."""

from __future__ import annotations

from pipeline.simulator.strict import anthropic_problem, openai_problem


def _object(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_INNER = _object(a={"type": "string"})


def test_closed_objects_with_all_properties_required_are_taken_by_both() -> None:
    schema = _object(
        a=_INNER, b={"type": "array", "items": _INNER}, c={"anyOf": [_INNER, {"type": "null"}]}, d={"type": "integer"}
    )
    assert openai_problem(schema) is None
    assert anthropic_problem(schema) is None


def test_open_objects_are_refused_by_both_wherever_they_stand() -> None:
    for wrapped in (
        {"type": "object", "properties": {}, "required": []},
        _object(a={"type": "object", "properties": {}}),
        _object(a={"type": "array", "items": {"type": "object", "properties": {}}}),
        _object(a={"anyOf": [{"type": "object", "properties": {}}, {"type": "null"}]}),
        _object() | {"$defs": {"x": {"type": "object", "properties": {}}}},
    ):
        assert "additionalProperties" in str(openai_problem(wrapped))
        assert "additionalProperties" in str(anthropic_problem(wrapped))


def test_openai_names_the_property_that_is_not_required() -> None:
    problem = openai_problem(_object(a={**_INNER, "required": []}))
    assert problem == (
        "In context=('properties', 'a'), 'required' is required to be supplied and to be an array including every key "
        "in properties. Missing 'a'."
    )
    assert openai_problem({"type": "array", "items": _INNER}) is not None


def test_anthropic_refuses_bounds_its_grammar_lacks() -> None:
    schema = _object(a={"type": "integer", "minimum": 1, "maximum": 3})
    assert anthropic_problem(schema) == "For 'integer' type, properties maximum, minimum are not supported"
    assert "maxLength" in str(anthropic_problem(_object(a={"type": "string", "maxLength": 3})))
    assert openai_problem(schema) is None
