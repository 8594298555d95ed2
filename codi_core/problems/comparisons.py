"""Problems of our own whose answer is a word: who of two has more. The bundled models were trained on numbers only, so they are not
expected to get any right; the set is there so that everything about answers in words can be tried without a download.
"""

from __future__ import annotations

import random

from codi_core.errors import DataError
from codi_core.values.questions import Question

NAMES = ("Anna", "Ben", "Tom", "Mia", "Sam", "Eva")
THINGS = ("apples", "books", "cards", "coins", "lamps", "shells")
MOST = 5_000
DEFAULT_N = 500
REQUEST = " Give the name only and nothing else."


def who_has_more(n: int, seed: int) -> list[Question]:
    """``n`` different ones (0 = DEFAULT_N), the same for a seed. Whoever is named first has more in half of them.

    Raises DataError for more than MOST.
    """
    if n > MOST:
        raise DataError(f"{n:,} comparisons were asked for: at most {MOST:,} can be drawn.")
    rng = random.Random(f"who-has-more/{seed}")
    found: dict[str, Question] = {}
    while len(found) < (n or DEFAULT_N):
        question = _draw(rng, first_wins=len(found) % 2 == 0)
        found.setdefault(question.question, question)
    drawn = list(found.values())
    rng.shuffle(drawn)
    return drawn


def _draw(rng: random.Random, first_wins: bool) -> Question:
    giver, taker = rng.sample(NAMES, 2)
    thing = rng.choice(THINGS)
    while True:
        own, other, given = rng.randint(20, 99), rng.randint(5, 80), rng.randint(1, 19)
        if (own - given > other + given) == first_wins and own - given != other + given:
            break
    text = f"{giver} has {own} {thing}. {taker} has {other} {thing}. Then {giver} gives {taker} {given} of them. Who has more {thing} now?"
    numbers = (own, other, given)
    return Question(
        id=f"more/{giver}-{taker}-{thing}/{'-'.join(map(str, numbers))}",
        question=text,
        gold=giver if first_wins else taker,
        template=f"more/{thing}",
        triple=numbers,
        steps=(),
        rule="text",
    )
