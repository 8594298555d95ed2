"""Choosing questions: an eval set by name or a file of one's own, and how many of them; the same picker on every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from codi_core.errors import ArtifactError, DataError
from codi_core.problems.evalsets import DEFAULT_MEANS, EVAL_SETS, means_sets
from codi_core.problems.reading import Reading
from codi_core.services.uploads import ENDINGS, eval_set_file, own_name, save_upload
from codi_core.ui.shell import calls, url
from codi_core.ui.shell.codec import param
from codi_core.ui.shell.errors import plain, said
from codi_core.ui.widgets import linked

OWN = "own"
SIZES = (64, 192, 512, 1000, 0)
MOST = 5_000
"""Questions; 0 = all."""
UPLOADED = "upload-"
"""How names of uploaded files begin."""


@dataclass(frozen=True)
class EvalChoice:
    label: str
    """In EVAL_SETS, or of an uploaded file: as the address says it."""
    n: int
    """0 = all."""

    @property
    def name(self) -> str:
        """As `load_eval_set` takes it. Raises DataError for an upload that is not here any more."""
        return eval_set_file(calls.workbench().settings, self.label)


def eval_set(default: str) -> Any:
    """The parameter `set` of a page's Setup."""

    def decode(values: list[str]) -> str:
        if not _known(values[0]):
            raise ValueError(values[0])
        return values[0]

    return param("set", default, decode, lambda value: [value])


def means_set() -> Any:
    """The parameter `means` of a page's Setup: a set that means can be made from."""

    def decode(values: list[str]) -> str:
        if values[0] not in means_sets():
            raise ValueError(values[0])
        return values[0]

    return param("means", DEFAULT_MEANS, decode, lambda value: [value])


def choose(default: str, default_n: int, sizes: Sequence[int] = SIZES, width: Any = "stretch") -> EvalChoice:
    """`set=` and `n=` in the URL."""
    given = url.read("set", default)
    chosen = given if _known(given) else default
    names = list(dict.fromkeys([*EVAL_SETS, *_uploads(), chosen, OWN]))
    wanted = st.session_state.get("own-file") == (st.session_state.get("page"), chosen)
    key = linked.shows("set", OWN if wanted else chosen)
    st.selectbox(
        "Eval set",
        names,
        key=key,
        on_change=linked.taken(key, lambda name: _chosen(name, chosen)),
        format_func=lambda name: "A file of your own …" if name == OWN else called(name),
        help="\n\n".join(f"**{name}**: {plain(kind.description)}" for name, kind in EVAL_SETS.items()),
        width=width,
    )
    n = url.whole("n", default_n, MOST)
    counts = [str(size) for size in dict.fromkeys((*sizes, n))]
    linked.segmented("Questions", "n", counts, default=str(n), title=lambda text: f"{int(text):,}" if text != "0" else "all")
    if wanted:
        _uploader()
    if message := st.session_state.pop("upload-error", ""):
        st.error(plain(message), icon=":material/error:")
    return EvalChoice(chosen, n)


def describe(choice: EvalChoice) -> None:
    """What it is, and which questions stand or fall together in its intervals."""
    if choice.label in EVAL_SETS:
        row = EVAL_SETS[choice.label]
        st.caption(plain(f"{row.description}. Grouped: {row.groups}."))
        return
    found = calls.question_set(choice.name, choice.n)
    missing = f" Left out because they cannot be used: {len(found.left_out):,}." if found.left_out else ""
    st.caption(plain(f"A file of yours. Grouped: {found.grouping}.{missing}"))


def called(name: str) -> str:
    """An eval set as a person knows it: an uploaded file by its own name."""
    return own_name(calls.workbench().settings, name)


def _known(name: str) -> bool:
    return name in EVAL_SETS or name.startswith(UPLOADED)


def _uploads() -> list[str]:
    """Files of this session, by the names they are kept under."""
    uploads: list[str] = st.session_state.setdefault("uploads", [])
    return uploads


def _chosen(name: str, before: str) -> None:
    st.session_state["own-file"] = (st.session_state.get("page"), before) if name == OWN else None
    if name != OWN:
        url.write("set", name)


def _uploader() -> None:
    endings = [f".{ending}" for ending in ENDINGS]
    st.file_uploader("Columns question and answer (or input and target)", endings, key="upload", on_change=_take)
    st.toggle("Leave out rows that cannot be used", key="upload-skip", on_change=_take, help="The Data page counts and lists them.")


def _take() -> None:
    """The file becomes the eval set, all of it."""
    if (file := st.session_state.get("upload")) is None:
        return
    try:
        reading = Reading(skip_bad=bool(st.session_state.get("upload-skip")))
        name = save_upload(calls.workbench().settings, file.name, file.getvalue(), reading)
    except (DataError, ArtifactError) as error:
        st.session_state["upload-error"] = said(error)
        return
    if name not in _uploads():
        _uploads().append(name)
    st.session_state["own-file"] = None
    url.write("set", name)
    url.write("n", "0")
