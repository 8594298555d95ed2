"""``python -m benchmarks.lenses [MODEL …]``: train the tuned lenses that ship (those that are missing) and write docs/lenses.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from codi_core.lenses.training import LensTrainSpec
from codi_core.services.lenses import comparison_table, lens_menu, train_lens
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import ROOT, Settings
from codi_core.values.lens import LensCard

SHIPPED = ("all", "odd", "even", "3", "text")
DOCUMENT = ROOT / "docs" / "lenses.md"
INTRO = """# Tuned lenses

Made by `python -m benchmarks.lenses`. KL from the model's output to the lens in nats (0 = the lens says what the model will say), mean over
indices 0–6, on held-out questions that share neither numbers nor wording with the lens' training questions; the last depth is the output.
"""


def shipped(workbench: Workbench, model: str) -> list[LensCard]:
    """Cards of the lenses that ship, trained first where they are missing or belong to another checkpoint."""
    root = workbench.settings.bundled_dir / "lenses" / model
    fitting = _cards(workbench, model)
    for indices in SHIPPED:
        if f"tuned:{indices}" not in fitting or not (root / indices).is_dir():
            train_lens(workbench, model, LensTrainSpec(indices), "lenses", _show, root)
    cards = _cards(workbench, model)
    return [cards[f"tuned:{indices}"] for indices in SHIPPED]


def _cards(workbench: Workbench, model: str) -> dict[str, LensCard]:
    return {option.name: option.card for option in lens_menu(workbench, model, "lenses") if option.card}


def section(model: str, cards: Sequence[LensCard]) -> str:
    first = cards[0]
    beaten = bool((first.kl[:, :-1].mean(0) < first.kl_plain[:, :-1].mean(0)).all())
    return (
        f"\n## {model}\n\nTrained on `{first.train_set}`, judged on {first.n_held_out} questions of `{first.held_out_set}`; "
        f"{first.steps:,} steps of {first.batch} latents. `{first.name}` is closer to the output than the logit lens at "
        f"{'every depth' if beaten else 'not every depth'} below the last.\n\n{comparison_table(cards)}"
    )


def _show(stage: str, done: int, total: int) -> None:
    print(f"\r{stage} {done:,} / {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def main() -> None:
    models = sys.argv[1:] or ["bundled", "bundled-steps"]
    workbench = Workbench(Settings.from_env())
    DOCUMENT.write_text(INTRO + "".join(section(model, shipped(workbench, model)) for model in models), encoding="utf-8")
    workbench.close()


if __name__ == "__main__":
    main()
