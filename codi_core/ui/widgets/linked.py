"""Widgets whose value is in the URL: each shows what the URL says, whoever wrote it, and writes what is chosen there.

``name`` is the parameter of the URL; what it cannot be falls back to the default, which a link is told (see `missing`). Streamlit's own
``bind="query-params"`` does the same where one page alone has a name (see `bound`). A name of several pages would be lost: Streamlit
removes from the address of the page that opens whatever was bound on the page that is left, also when a link has put it there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import streamlit as st

from codi_core.ui.shell import missing, url

Option = TypeVar("Option", bound=str)
Title = Callable[[str], str]


def select(
    label: str,
    name: str,
    options: Sequence[Option],
    *,
    default: Option | None = None,
    title: Title = str,
    about: str | None = None,
    width: Any = "stretch",
    visible: bool = True,
) -> Option:
    """A list of which one entry is always chosen."""
    chosen = url.one_of(name, options, options[0] if default is None else default)
    st.selectbox(
        label,
        list(options),
        key=shows(name, chosen),
        on_change=written(name),
        format_func=title,
        help=about,
        width=width,
        label_visibility="visible" if visible else "collapsed",
    )
    return chosen


def segmented(
    label: str, name: str, options: Sequence[Option], *, default: Option | None = None, title: Title = str, about: str | None = None
) -> Option:
    """Buttons of which one is always pressed."""
    chosen = url.one_of(name, options, options[0] if default is None else default)
    key = shows(name, chosen)
    st.segmented_control(label, list(options), required=True, wrap=True, key=key, on_change=written(name), format_func=title, help=about)
    return chosen


def count(label: str, name: str, options: Sequence[int], *, default: int, about: str | None = None) -> int:
    """Buttons of whole numbers of which one is always pressed."""
    return int(segmented(label, name, [str(option) for option in options], default=str(default), about=about))


def number(label: str, name: str, *, default: int = 0, most: int, step: int = 1, about: str | None = None, width: Any = "stretch") -> int:
    """A whole number from 0 to ``most``."""
    value = url.whole(name, default, most)
    st.number_input(label, 0, most, step=step, key=shows(name, value), on_change=written(name), help=about, width=width)
    return value


def area(label: str, name: str, *, default: str, save: Callable[[str], None]) -> str:
    """A text of a few lines; ``save`` writes it into the URL."""
    value = url.read(name, default)
    st.text_area(label, key=shows(name, value), on_change=taken(key_of(name), save), height=104)
    return value


def toggle(label: str, name: str, values: tuple[str, str] = ("no", "yes"), *, about: str | None = None) -> bool:
    """``values``: what the URL says for off, the default, and for on."""
    on = url.one_of(name, values, values[0]) == values[1]
    changed = taken(key_of(name), lambda on: url.write(name, values[on]))
    st.toggle(label, key=shows(name, on), on_change=changed, help=about)
    return on


def bound(name: str, options: Iterable[Any], shown: Any, title: Callable[[Any], str] = str) -> dict[str, Any]:
    """For a widget of Streamlit's that is bound to the address, where its options stand by their titles: arguments, and a word about what a
    link asks for in vain; ``shown``: the default, one option or several.
    """
    defaults = shown if isinstance(shown, tuple) else (shown,)
    if given := st.query_params.get_all(name):  # what is none of the options, Streamlit takes out when the widget is made
        missing.check(name, given, {title(option) for option in options}, ", ".join(map(title, defaults)))
    return {"format_func": title, "key": name, "bind": "query-params"}


def key_of(name: str) -> str:
    """Of the widget: not the bare name, under which Streamlit keeps the values of widgets bound on other pages."""
    return f"url-{name}"


def shows(name: str, value: Any) -> str:
    """Key of the widget, which shows ``value``."""
    return showing(key_of(name), value)


def showing(key: str, value: Any) -> str:
    """The same of any key. Set only where it differs: what is set goes to the browser, and would undo a click made meanwhile. And on a page
    that has just opened: its widget is another one, which starts at its default, while the state still has what the page before showed."""
    page, shown_on = st.session_state.get("page"), st.session_state.setdefault("shown-on", {})
    if key not in st.session_state or st.session_state[key] != value or shown_on.get(key) != page:
        st.session_state[key] = value
        shown_on[key] = page
    return key


def taken(key: str, save: Callable[[Any], object]) -> Callable[[], None]:
    """For a widget's ``on_change``: what it says is saved. Nothing is where it is gone by then, for the page was painted anew without it:
    Streamlit knows no value of it, or None.
    """

    def changed() -> None:
        if (value := st.session_state.get(key)) is not None:
            save(value)

    return changed


def written(name: str) -> Callable[[], None]:
    """As `taken`, into the URL."""
    return taken(key_of(name), lambda value: url.write(name, str(value)))
