"""Our own Streamlit components (v2): one `.js` and one `.css` file each, inlined, no build step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

HERE = Path(__file__).parent


def component(name: str, html: str) -> ComponentRenderer:
    """Register `<name>.js` (after the helpers of `shared.js`) and `<name>.css`. ``html`` is fixed markup: data reaches it in JS only."""
    js = (HERE / "shared.js").read_text(encoding="utf-8") + (HERE / f"{name}.js").read_text(encoding="utf-8")
    return st.components.v2.component(f"codi_{name}", html=html, css=(HERE / f"{name}.css").read_text(encoding="utf-8"), js=js)


def event(key: str, name: str) -> Any:
    """What a component has to say, None when nothing: also where its page was left by a link before this could be heard."""
    return st.session_state.get(key, {}).get(name)
