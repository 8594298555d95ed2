"""What became of answers, counted: five kinds that add up to all of them."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Outcomes:
    """Answers by what became of them. The first five add up to all of them; the accuracy is the share of the first."""

    correct: int = 0
    wrong: int = 0
    """Just another number."""
    spelled_out: int = 0
    """Wrong, and written as equations."""
    cut_off: int = 0
    """No end within the token limit, whatever is said until there."""
    no_number: int = 0
    """Nothing that the answer rule can read: no number, or none of its words."""
    correct_spelled_out: int = 0
    """Of the correct ones, those written as equations: the model thought in words, not in latents."""

    @property
    def n(self) -> int:
        return sum(self.parts.values())

    @property
    def parts(self) -> dict[str, int]:
        """By what they are called."""
        return {
            "correct": self.correct,
            "wrong": self.wrong,
            "spelled out": self.spelled_out,
            "cut off": self.cut_off,
            "unread": self.no_number,
        }

    @property
    def columns(self) -> dict[str, int]:
        """By the name of a table's column."""
        return {f"n {name}": count for name, count in self.parts.items()} | {"n correct, spelled out": self.correct_spelled_out}

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    def words(self) -> str:
        """On one line."""
        counts = [f"{count:,} {name}" for name, count in self.parts.items()]
        if self.correct_spelled_out:
            counts[0] += f" ({self.correct_spelled_out:,} as equations)"
        return ", ".join(counts)


@dataclass(frozen=True)
class OnlyForm:
    """Of the fixed and broken questions, those whose correct answer stands in both texts: also in the one that does not count, where other
    numbers follow it or the limit cuts it off. What changed is how the model writes, not what it found."""

    fixed: int = 0
    broken: int = 0

    def words(self, fixed: int, broken: int) -> str:
        """``fixed`` and ``broken``: all of them."""
        return f"{fixed:,} fixed ({self.fixed:,} only in form), {broken:,} broken ({self.broken:,} only in form)"
