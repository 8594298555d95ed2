"""What changed, said to those who do not see it: a live region that outlives every repaint."""

from __future__ import annotations

from codi_core.ui.widgets.component import component

_mount = component("announce", "<span hidden></span>")


def announce(name: str, text: str) -> None:
    """``name``: of the region; screen readers read its ``text`` when that is another one."""
    _mount(key=f"announce-{name}", data={"name": name, "text": text})
