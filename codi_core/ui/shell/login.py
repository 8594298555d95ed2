"""Where a server's operator has set up a log-in (``[auth]`` in Streamlit's secrets, docs/serving.md), nobody passes without one."""

from __future__ import annotations

import streamlit as st


def wanted() -> bool:
    return st.secrets.load_if_toml_exists() and "auth" in st.secrets


def require() -> None:
    """Before anything of a page: a visitor whom the provider did not name sees a button, and the run ends."""
    if not wanted() or st.user.is_logged_in:
        return
    st.title("CODI Explorer", anchor=False)
    st.markdown("This server wants to know who you are.")
    st.button("Log in", icon=":material/login:", type="primary", on_click=st.login)
    st.stop()


def who() -> None:
    """Who one is, and the way out."""
    if wanted():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.text(f"Logged in as {st.user.get('email') or st.user.get('name') or st.user.get('sub')}")
            st.button("Log out", icon=":material/logout:", on_click=st.logout)
