"""What the address of the Heatmaps page says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codi_core.figures.sweeps import CORRECTIONS, MEASURES
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.values.sweep import Key, Row

VIEWS = {
    "sites": "Pair × site",
    "pairs": "A × B",
    "variants": "Pair × variant",
    "dose": "Dose and response",
    "marginals": "Marginals",
    "signs": "Signs",
}
LEAST = 99_999


def _decode_pick(values: list[str]) -> Key:
    found = re.fullmatch(r"([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),(-?[0-9]{1,6}(?:\.[0-9]{1,6})?)", values[0])
    if found is None:
        raise ValueError(values[0])
    return int(found[1]), int(found[2]), int(found[3]), float(found[4])


def pick_text(key: Key) -> str:
    return f"{key[0]},{key[1]},{key[2]},{key[3]:g}"


@dataclass(frozen=True)
class Setup(PageSetup):
    """Texts that are empty stand for what the page shows first."""

    page = "heatmaps"

    sweep: str = codec.text("sweep")
    eval_set: str = codec.text("set")
    run: str = codec.text("run")
    """Key of a stored sweep, where there are several of that name and eval set."""
    variant: str = codec.text("variant")
    view: str = codec.text("view", pattern="|".join(VIEWS))
    measure: str = codec.choice("measure", MEASURES)
    mask: str = codec.choice("mask", tuple(CORRECTIONS))
    against: str = codec.choice("against", ("same", "all"))
    reading: str = codec.choice("reading", ("B-A", "A-B"))
    least: int = codec.whole("least", 0, LEAST)
    """Effective n below which cells are left out."""
    whole_scale: bool = codec.switch("scale", ("shown", "sweep"))
    """Whether colours run over the whole sweep's values instead of those on screen."""
    alpha: str = codec.text("alpha")
    """Coefficients on screen, with commas between them."""
    pick: tuple[int, int, int, float] | None = codec.param(
        "pick", None, _decode_pick, lambda key: [f"{key[0]},{key[1]},{key[2]},{key[3]:g}"]
    )
    """The chosen cell: A, B, index and coefficient as stored."""

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled", pick=(2, 4, 5, 0.5))


def key_of(row: Row) -> Key:
    return int(row["a"]), int(row["b"]), int(row["index"]), float(row["coefficient"])
