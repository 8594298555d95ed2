"""How the server is, for whoever runs it: the line, memory, caches, requests so far, versions."""

from __future__ import annotations

import streamlit as st

from codi_core.services.shared.meter import Tally
from codi_core.services.status import Status, status
from codi_core.ui.model.views import facts
from codi_core.ui.shell import calls, login
from codi_core.ui.widgets.table import rows_table


@st.fragment
def panel() -> None:
    """Looked at when it is opened, and again on request."""
    st.header("Status", anchor=False)
    login.who()
    if st.button("How this server is", icon=":material/monitor_heart:", help="The line, memory, caches, requests so far, versions."):
        _show(calls.workbench().call(status))


def _show(found: Status) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        facts("", _now(found))
    with right:
        if found.requests:
            st.html(rows_table(list(map(_row, found.requests)), "Requests since the start"))
        else:
            st.caption("No request was at the model yet.")
        st.caption("A request is counted when it was at the model or came to nothing. /metrics has the same for Prometheus.")


def _now(found: Status) -> dict[str, str]:
    hours, seconds = divmod(int(found.up), 3600)
    return {
        "Up": f"{hours:,} h {seconds // 60} min",
        "Jobs in line": str(found.line),
        "Device": found.device,
        "Memory": f"{_gigabytes(found.held)} held, {_gigabytes(found.free)} free",
        "Kept": ", ".join(f"{count} {what}" for what, count in found.kept.items() if count) or "nothing",
        "Versions": found.versions,
    }


def _gigabytes(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 1e9:.1f} GB"


def _row(tally: Tally) -> dict[str, str]:
    return {
        "Request": tally.kind.replace("_", " "),
        "Count": f"{tally.count:,}",
        "Not answered": f"{tally.not_ok:,}",
        "In line, mean": f"{tally.waited:.2f} s",
        "At the model, mean": f"{tally.ran:.2f} s",
    }
