"""Which questions stand or fall together: by text, by the numbers of a story, by its wording."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from codi_core.errors import InterventionError
from codi_core.values.evals import EvalRow
from codi_core.values.questions import Question
from codi_core.values.stats import Clusters


def clusters_of(rows: Sequence[EvalRow] | Sequence[Question]) -> Clusters:
    """By triple and by template; rows of files by their group columns and equal texts, or each for itself."""
    ways = max((len(row.groups) for row in rows), default=0)
    if ways:
        return tuple(np.array([(row.groups[way] if row.groups else "") or row.id for row in rows]) for way in range(ways))
    return np.array([triple_of(row) or row.id for row in rows]), np.array([row.template or row.id for row in rows])


def grouping(rows: Sequence[EvalRow] | Sequence[Question]) -> str:
    """How `clusters_of` groups them, in words: ``by triple (50), by template (20)``."""
    if any(row.groups for row in rows):
        ways = zip(*(row.groups for row in rows), strict=True)
        names = [next(filter(None, labels), f"{way}").partition(":")[0] for way, labels in enumerate(ways)]
    elif any(row.triple or row.template for row in rows):
        names = ["triple", "template"]
    else:
        return "each question its own"
    counts = dict(zip(names, (len(set(labels.tolist())) for labels in clusters_of(rows)), strict=True))
    shown = [f"by {'equal text' if name == 'text' else name} ({count:,})" for name, count in counts.items() if count < len(rows)]
    return ", ".join(shown) or "each question its own"


def family_of(row: EvalRow | Question) -> str:
    """Kind of story; empty for rows of files."""
    return row.template.partition("/")[0]


def triple_of(row: EvalRow | Question) -> str | None:
    """The numbers of a story, which mean the same problem only within a family of stories; None for rows of files."""
    return f"{family_of(row)}:{row.triple}" if row.triple else None


def first_half(questions: Sequence[Question]) -> npt.NDArray[np.bool_]:
    """Which questions belong to the first half: every second cluster in order of appearance, so that no triple is in both."""
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(_first_cluster(question), len(seen)) % 2 == 0 for question in questions])


def _first_cluster(question: Question) -> str:
    return triple_of(question) or next(filter(None, question.groups), question.id)


def check_disjoint(means: Sequence[Question], evaluated: Sequence[Question]) -> None:
    """Refuse vectors made from what they steer: raises InterventionError when a question, a triple, a template or a group is in both."""
    kinds: dict[str, Callable[[Question], Iterable[str | None]]] = {
        "question": lambda row: [row.question],
        "triple": lambda row: [triple_of(row)],
        "template": lambda row: [row.template],
        "group": lambda row: row.groups,
    }
    for what, of in kinds.items():
        both = {label for row in means for label in of(row) if label} & {label for row in evaluated for label in of(row) if label}
        if both:
            raise InterventionError(
                f"The means and the evaluation share {len(both):,} {what}{'s' if len(both) > 1 else ''} ({min(both):.80}): the "
                "effect would be measured on the data the vector was made from. Take means from another split, or a preset as in the post."
            )
