"""Personal data out and back in. Knows nothing of Kafka or language models.

redactor = Redactor(RedactionPolicy())
redaction = redactor.redact({"subject": subject, "body": body}, known={PiiType.PERSON: [customer]})
redaction.check_prompt(prompt)          # raises LeakError
redaction.check_answer({"summary": answer})
text = redaction.restore(answer)        # strict: RedactionError for a damaged placeholder
"""

from pipeline.redact.originals import Originals
from pipeline.redact.pii import PiiType, PlacedSpan, Span
from pipeline.redact.policy import RedactionPolicy
from pipeline.redact.redacted import Redacted
from pipeline.redact.redaction import Redaction
from pipeline.redact.redactor import Redactor

__all__ = [
    "Originals",
    "PiiType",
    "PlacedSpan",
    "Redacted",
    "Redaction",
    "RedactionPolicy",
    "Redactor",
    "Span",
]
