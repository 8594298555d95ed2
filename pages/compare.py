"""Compare: up to four pinned states side by side, on one scale."""

from __future__ import annotations

from codi_core.ui.compare import tray, views
from codi_core.ui.compare.link import Setup
from codi_core.ui.shell import layout, url
from codi_core.ui.shell.errors import shown_errors

layout.enter(__file__, Setup)
with shown_errors():
    url.read_all("pin")  # the address's, else the session's, which the address then has
    views.show(tray.pinned())
