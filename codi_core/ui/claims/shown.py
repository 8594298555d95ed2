"""What a step of the workflow shows: one computed line, our picture, the way to the live page, and the export of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from codi_core.ui.shell.codec import PageSetup


@dataclass(frozen=True)
class Shown:
    said: str
    """What came out, with its reason; computed."""
    live: PageSetup
    """Where the same is looked at live."""
    condition: str = ""
    """Everything that made it; empty where nothing could be made."""
    draw: Callable[[], object] = lambda: None
    figure: Callable[[], go.Figure] | None = None
    """For export."""
    tables: Callable[[], Sequence[pd.DataFrame]] = tuple
    badge: str = ""
    """HTML of a verdict."""

    def exported(self) -> dict[str, Any]:
        return {"said": self.said, "condition": self.condition, "tables": [table.to_dict("records") for table in self.tables()]}
