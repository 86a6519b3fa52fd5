"""A copy of the catalogue that a test may change, with the document type that the page for authors adds."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline import catalogue
from pipeline.catalogue import Catalogue
from pipeline.settings import CatalogueSettings

ROOT = Path(__file__).parents[3]
_FILE = re.compile(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)

Load = Callable[[], Catalogue]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The common files of the shipped catalogue and those of docs/enrichments.md, in a folder of their own."""
    others = shutil.ignore_patterns("__pycache__", "support.*", "insurance.*")
    for folder in ("topics", "schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=others)
    for name, text in _FILE.findall((ROOT / "docs/enrichments.md").read_text(encoding="utf-8")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def load(checkout: Path) -> Load:
    """Loads that copy."""

    def loaded() -> Catalogue:
        catalogue.load.cache_clear()
        return catalogue.load(
            CatalogueSettings(
                topics=str(checkout / "topics"),
                schemas=str(checkout / "schemas"),
                enrichments=str(checkout / "pipeline/enrichments"),
            )
        )

    return loaded


@pytest.fixture
def shipped() -> Catalogue:
    """The catalogue as it is in the repository."""
    return catalogue.load(CatalogueSettings())
