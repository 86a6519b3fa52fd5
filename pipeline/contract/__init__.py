"""From an Avro record to a pydantic model and to the strict JSON schema that a provider accepts.

The `.avsc` is the one place that says what a field is. Beside Avro's own words it carries:

    personal    none | text | direct     input fields: free of personal data, scanned, never sent
    pii         PERSON, EMAIL, ...       input fields that are direct: what kind of value it is
    answer      model | code             output fields: said by the model, or added by code
    labels      true                     a string that must be one of the enrichment's labels
    may_hold    [PERSON, ...]            kinds of personal data that the model itself may write in this output field
    restore     true                     personal data may stand in this output field: placeholders are put back
    minLength, maxLength, pattern, minimum, maximum, maxItems      bounds (lengths of an array: of each item)

Sent to providers is the subset they share: closed objects, every property required and nullable where it may be
missing, no references, no recursion. Bounds they do not all know travel in the description and are checked here.
"""

from pipeline.contract.bounds import Bounds
from pipeline.contract.compatibility import breaks
from pipeline.contract.models import answer_model, problems, read_json, record_model
from pipeline.contract.provider import provider_schema
from pipeline.contract.structure import (
    Schema,
    annotated,
    expanded,
    field_type,
    fields,
    items_of,
    marked,
    record_of,
    type_at,
    without_null,
)

__all__ = [
    "Bounds",
    "Schema",
    "annotated",
    "answer_model",
    "breaks",
    "expanded",
    "field_type",
    "fields",
    "items_of",
    "marked",
    "problems",
    "provider_schema",
    "read_json",
    "record_model",
    "record_of",
    "type_at",
    "without_null",
]
