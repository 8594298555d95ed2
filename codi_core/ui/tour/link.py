"""What the address of the Tour says: only which model is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.ui.shell.codec import PageSetup


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "tour"
