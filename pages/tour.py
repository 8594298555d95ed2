"""Tour: the product in a few links and three minutes."""

from __future__ import annotations

from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.tour import stops
from codi_core.ui.tour.link import Setup

layout.enter(__file__, Setup)
with shown_errors():
    stops.show()
