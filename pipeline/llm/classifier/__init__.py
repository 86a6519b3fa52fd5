"""A small classifier trained from answers that were valid: it needs no provider, no network and no package to run."""

from pipeline.llm.classifier.evaluation import Evaluation, evaluate
from pipeline.llm.classifier.model import Classifier, Verdict

__all__ = ["Classifier", "Evaluation", "Verdict", "evaluate"]
