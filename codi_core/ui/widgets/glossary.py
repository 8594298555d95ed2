"""Words with the sentence that docs/glossary.md has on them, as a tooltip."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from codi_core.settings import ROOT

_ROW = re.compile(r"^\| (?P<words>[^|]+?) \| (?P<meaning>.+) \|$", re.MULTILINE)


@lru_cache(maxsize=1)
def glossary() -> dict[str, str]:
    """What each word means, by the word in small letters."""
    rows = _ROW.findall((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").replace("\\|", "¦"))
    known: dict[str, str] = {}
    for words, meaning in rows:
        for word in re.sub(r" \((\w+)\)", r", \1", words.replace("`", "")).lower().split(", "):
            known[word] = meaning.replace("`", "").replace("¦", "|")
    return {word: meaning for word, meaning in known.items() if word not in ("word", "---")}


def explained(label: str, word: str = "") -> str:
    """``label`` as HTML, with the meaning of ``word`` (default: itself); just the label where the glossary has no such word."""
    asked = (word or label).lower()
    meaning = glossary().get(asked) or glossary().get(asked.removesuffix("s"))
    text = html.escape(label)
    return text if meaning is None else f'<abbr title="{html.escape(meaning, quote=True)}">{text}</abbr>'


def marked(sentence: str) -> str:
    """A sentence as HTML, with what its words mean: each where it comes first, also in the plural."""
    words = sorted((word for word in glossary() if len(word) > 3), key=len, reverse=True)
    found = re.compile(rf"\b({'|'.join(map(re.escape, words))})(s?)\b", re.IGNORECASE)
    pieces, end, seen = [], 0, set[str]()
    for match in found.finditer(sentence):
        if (word := match[1].lower()) not in seen:
            seen.add(word)
            pieces += [html.escape(sentence[end : match.start()]), explained(match[0], word)]
            end = match.end()
    return "".join([*pieces, html.escape(sentence[end:])])
