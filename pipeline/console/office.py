"""What all pages share: the desk, the replays under way, the look at the workers, the templates."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.catalogue import Catalogue
from pipeline.console.overview import Overviews
from pipeline.console.pages import Pages
from pipeline.console.runs import Runs
from pipeline.console.shared import SharedDesk
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Office:
    """Made once when the console starts."""

    settings: Settings
    catalogue: Catalogue
    desk: SharedDesk
    runs: Runs
    overviews: Overviews
    pages: Pages
