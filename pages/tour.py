"""Tour: the product in five links and three minutes."""

from __future__ import annotations

from codi_core.ui import layout, tour
from codi_core.ui.errors import shown_errors

layout.require_app("pages/tour.py")
with shown_errors():
    tour.show()
