"""Word problems made on demand: text, answer, the value of every reasoning step, and the split they belong to.

A problem belongs to a split by its parameters *and* its wording, both by a stable hash, so splits stay disjoint by triple and by template
whatever is drawn. `train` and `test` share wordings (test = unseen triples); `means`, `select`, `confirm` have wordings of their own;
`wordings` uses phrases that no other split contains.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple, TypeVar

from codi_core.problems.stories import CHAINS, GROUPS, PERCENT, RATE_EXTRA, RATES, SUFFIXES, Setting, Slot, Story

Split = Literal["train", "test", "means", "select", "confirm", "wordings"]
Family = Literal["group", "percent", "chain", "rate"]
FAMILIES: tuple[Family, ...] = ("group", "percent", "chain", "rate")
MAX_VALUE = 999
"""Largest number in any problem: every value is one token of the bundled tokenizer."""

TRIPLE_SHARES: tuple[tuple[Split, int], ...] = (("train", 56), ("test", 82), ("means", 88), ("select", 94), ("confirm", 100))
WORDING_SHARES: tuple[tuple[Split, int], ...] = (("train", 64), ("means", 76), ("select", 84), ("confirm", 100))
SEED_PROMPT = (600, 30, 10)
TEAM_PROMPT = (3, 5, 2)


@dataclass(frozen=True)
class Step:
    expression: str
    value: int


@dataclass(frozen=True)
class Problem:
    question: str
    steps: tuple[Step, ...]
    family: Family
    template: str
    """Story and the phrases chosen: the wording with its numbers blanked."""
    triple: tuple[int, ...]

    @property
    def answer(self) -> int:
        return self.steps[-1].value

    @property
    def cot(self) -> str:
        """The explicit chain of thought, in the notation of GSM8k-Aug."""
        return "".join(f"<<{s.expression}={s.value}>>" for s in self.steps)


class Count(int):
    """An integer that formats itself with its noun: ``f"{Count(2):person|people}"`` → ``2 people``."""

    def __format__(self, noun: str) -> str:
        if not noun:
            return str(int(self))
        one, _, many = noun.partition("|")
        return f"{int(self)} {one if self == 1 else many or one + 's'}"


T = TypeVar("T")


class Draws(random.Random):
    """The numbers of `random.Random`, drawn without its checks of what is asked for: of a rare split not one draft in a hundred is kept."""

    def below(self, n: int) -> int:
        bits = n.bit_length()
        while (drawn := self.getrandbits(bits)) >= n:
            pass
        return drawn

    def randint(self, a: int, b: int) -> int:
        return a + self.below(b - a + 1)

    def choice(self, seq: Sequence[T]) -> T:  # type: ignore[override]
        return seq[self.below(len(seq))]


@cache
def _buckets(shares: tuple[tuple[Split, int], ...]) -> list[Split]:
    return [next(split for split, upper in shares if bucket < upper) for bucket in range(100)]


def _share(text: str, shares: tuple[tuple[Split, int], ...]) -> Split:
    return _buckets(shares)[zlib.crc32(text.encode()) % 100]


def triple_split(family: Family, triple: tuple[int, ...]) -> Split:
    """Split of a parameter tuple. The two prompts every newcomer tries first are held out of training."""
    if triple in (SEED_PROMPT, TEAM_PROMPT):
        return "test"
    return _share(f"{family}:{triple}", TRIPLE_SHARES)


def wording_split(template: str, held_out: bool, plain: bool) -> Split:
    """Split of a wording: `plain` (first phrase of every slot) is always seen in training, `held_out` phrases never."""
    if held_out:
        return "wordings"
    return "train" if plain else _share(template, WORDING_SHARES)


def parts_of(split: Split) -> tuple[Split, Split]:
    """Of which splits triple and wording of its problems are."""
    if split == "test":
        return "test", "train"
    return ("test" if split == "wordings" else split), split


class _Draft(NamedTuple):
    story: str
    slots: tuple[Slot, ...]
    values: tuple[dict[str, int], ...]
    steps: tuple[tuple[str, int], ...]
    triple: tuple[int, ...]


def _group(rng: Draws) -> _Draft | None:
    story = rng.choice(GROUPS)
    top = rng.choice((8, 8, 10))  # most of them in the range of the posts
    x, y, z = rng.randint(1, top), rng.randint(1, top), rng.randint(1, 8)
    return group_draft(story.id, x, y, z)


def group_draft(story_id: str, x: int, y: int, z: int) -> _Draft | None:
    """``(x ± y) * z + (x ± y)``, the structure of the posts' templates; None when nobody would be left."""
    story = next(s for s in GROUPS if s.id == story_id)
    sign = "-" if story_id.endswith("/sub") else "+"
    s = x - y if sign == "-" else x + y
    if s < 1:
        return None
    steps = ((f"{x}{sign}{y}", s), (f"{s}*{z}", s * z), (f"{s * z}+{s}", s * z + s))
    return _Draft(story_id, story.slots, ({"x": x, "y": y, "z": z},) * 4, steps, (x, y, z))


def _percent(rng: Draws) -> _Draft | None:
    n = 20 * rng.randint(1, 4) if rng.random() < 0.3 else 100 * rng.randint(1, 9)
    p, q = 5 * rng.randint(1, 18), 5 * rng.randint(1, 18)
    if not 40 <= p + q < 100:  # every sum of the two shares comes about in many ways: none is learnt from a single problem
        return None
    return percent_draft(rng.choice(PERCENT).id, n, p, q)


def percent_draft(story_id: str, n: int, p: int, q: int) -> _Draft:
    """Out of ``n``, ``p`` % this and ``q`` % that, together less than all: how many neither? Whole for n in twenties, p and q in fives."""
    story = next(s for s in PERCENT if s.id == story_id)
    both = n * (p + q) // 100
    steps = ((f"{p}+{q}", p + q), (f"{n}*{p + q}/100", both), (f"{n}-{both}", n - both))
    return _Draft(story_id, story.slots, ({"n": n, "p": p, "q": q},) * 3, steps, (n, p, q))


MAX_AMOUNT, MAX_CHANGE = 40, 6
"""Everyday chains and rates: largest amount on the way, most that is added or taken away at once."""


def _operation(rng: Draws, value: int) -> tuple[str, int, int] | None:
    """A random operation on ``value``: name, operand, result; None when it leaves the range or is not exact."""
    name = rng.choice(("add", "sub", "add", "sub", "mul", "div"))
    n = rng.randint(2, 3) if name in ("mul", "div") else rng.randint(1, MAX_CHANGE)
    if name == "div" and value % n:
        return None
    result = {"add": value + n, "sub": value - n, "mul": value * n, "div": value // n}[name]
    return (name, n, result) if 1 <= result <= MAX_AMOUNT else None


def _chain(rng: Draws) -> _Draft | None:
    setting: Setting = rng.choice(CHAINS)
    value = first = rng.randint(2, 15)
    slots, values, steps, triple = [setting.start], [{"n": first}], [], [first]
    for _ in range(rng.randint(2, 3)):
        if (done := _operation(rng, value)) is None:
            return None
        name, n, result = done
        slots.append(getattr(setting, name))
        values.append({"n": n})
        steps.append((f"{value}{'+-*/'[('add', 'sub', 'mul', 'div').index(name)]}{n}", result))
        triple += [("add", "sub", "mul", "div").index(name), n]
        value = result
    ops = "".join(str(code) for code in triple[1::2])
    return _Draft(f"{setting.id}/{ops}", (*slots, setting.ask), (*values, {}), tuple(steps), tuple(triple))


def _rate(rng: Draws) -> _Draft | None:
    story = rng.choice(RATES)
    r, h, d = rng.randint(2, 9), rng.randint(2, 5), rng.randint(2, 4)
    day, total = r * h, r * h * d
    if total > MAX_AMOUNT:
        return None
    v = {"r": r, "h": h, "d": d}
    steps = [(f"{r}*{h}", day), (f"{day}*{d}", total)]
    if rng.random() < 0.5:
        return _Draft(story.id, story.slots, (v,) * 3, tuple(steps), (r, h, d))
    return _rate_extra(rng, story, v, steps, total)


def _rate_extra(rng: Draws, story: Story, v: dict[str, int], steps: list[tuple[str, int]], total: int) -> _Draft | None:
    """The third step of a rate story: something on top, or something lost."""
    first, second, ask = story.slots
    e, minus = rng.randint(1, MAX_CHANGE), rng.random() < 0.5
    result = total - e if minus else total + e
    if result < 1:
        return None
    steps.append((f"{total}{'-' if minus else '+'}{e}", result))
    extra = RATE_EXTRA[story.id][minus]
    name, triple = f"{story.id}/{'sub' if minus else 'add'}", (v["r"], v["h"], v["d"], int(minus), e)
    return _Draft(name, (first, second, extra, ask), (v, v, {"e": e}, v), tuple(steps), triple)


_DRAFTS: dict[Family, Callable[[Draws], _Draft | None]] = {"group": _group, "percent": _percent, "chain": _chain, "rate": _rate}


def realise(draft: _Draft, family: Family, phrases: tuple[int, ...], suffix: str) -> Problem:
    """The draft in words: phrase ``phrases[i]`` in slot i, then the suffix."""
    text = " ".join(
        slot[i].format(**{k: Count(v) for k, v in values.items()})
        for slot, i, values in zip(draft.slots, phrases, draft.values, strict=True)
    )
    text = text[0].upper() + text[1:]
    template = f"{family}/{draft.story}/{'.'.join(map(str, phrases))}"
    return Problem(text + suffix, tuple(Step(e, v) for e, v in draft.steps), family, template, draft.triple)


def _phrases(rng: Draws, draft: _Draft, split: Split) -> tuple[int, ...]:
    """Random phrases; held-out ones (the last of a slot) only for the split that wants them."""
    spare = 0 if split == "wordings" else 1
    return tuple([rng.below(len(slot) - spare) for slot in draft.slots])


def stream(split: Split, seed: int, families: tuple[Family, ...] = FAMILIES) -> Iterator[Problem]:
    """Endless problems of one split, families in equal shares; the same seed gives the same problems."""
    rng, (triple, wording) = Draws(f"{split}:{seed}"), parts_of(split)
    while True:
        family = rng.choice(families)
        while True:
            draft = _DRAFTS[family](rng)
            if draft is None:
                continue
            phrases = _phrases(rng, draft, split)
            if triple_split(family, draft.triple) == triple and _wording(draft, phrases) == wording:
                yield realise(draft, family, phrases, rng.choice(SUFFIXES))
                break


def _wording(draft: _Draft, phrases: tuple[int, ...]) -> Split:
    held_out = any(i == len(slot) - 1 for i, slot in zip(phrases, draft.slots, strict=True))
    return wording_split(f"{draft.story}/{phrases}", held_out, plain=not any(phrases))


def equations(seed: int) -> Iterator[Step]:
    """Endless single steps of problems of whatever split; the same seed gives the same steps."""
    rng = Draws(f"equations:{seed}")
    while True:
        draft = _DRAFTS[rng.choice(FAMILIES)](rng)
        if draft is not None:
            yield Step(*rng.choice(draft.steps))


def generate(split: Split, n: int, seed: int = 0, families: tuple[Family, ...] = FAMILIES) -> list[Problem]:
    """``n`` different problems of a split."""
    seen: dict[str, Problem] = {}
    for problem in stream(split, seed, families):
        seen.setdefault(problem.question, problem)
        if len(seen) == n:
            break
    return list(seen.values())


def templates(triples: int = 50, seed: int = 42) -> list[Problem]:
    """The posts' template set: 10 stories x {addition first, subtraction first} x ``triples`` unseen triples (x > y, all in 1..8)."""
    pool = [(x, y, z) for x in range(1, 9) for y in range(1, x) for z in range(1, 9) if triple_split("group", (x, y, z)) == "test"]
    chosen = sorted(random.Random(seed).sample(pool, triples))
    problems = []
    for story in GROUPS:
        for triple in chosen:
            draft = group_draft(story.id, *triple)
            assert draft is not None
            problems.append(realise(draft, "group", (0,) * len(draft.slots), SUFFIXES[2]))
    return problems


def team_prompt() -> Problem:
    """The posts' team example, 3 / 5 / 2 → 24."""
    draft = group_draft("team/add", *TEAM_PROMPT)
    assert draft is not None
    return realise(draft, "group", (0, 0, 0, 0), SUFFIXES[2])


def seed_prompt() -> Problem:
    """The posts' first prompt, 600 employees → 360."""
    return realise(percent_draft("promotion", *SEED_PROMPT), "percent", (0, 0, 0), SUFFIXES[1])
