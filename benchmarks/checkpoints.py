"""``python -m benchmarks.checkpoints``: write docs/checkpoints.md, the table of what is known of published checkpoints."""

from __future__ import annotations

from codi_core.models.families import FAMILIES
from codi_core.models.presets import KNOWN, PRESETS, Preset
from codi_core.settings import ROOT

DOCUMENT = ROOT / "docs" / "checkpoints.md"
HEAD = """# Published checkpoints

Written by `python -m benchmarks.checkpoints` from `codi_core/models/presets.py`. What is known of hub ids beside their files, from
public code, model cards, papers and issues: **none of these files was opened here**. `--model` takes a preset's name or a hub id
(`owner/repo`, or `owner/repo:path`), and everything in a row is then used where the files do not say it; the Model page and `info`
show what was assumed.

`python -m codi_core verify MODEL` makes a model's passport: its hash, every tensor and what became of it, the engine against the
oracle on 8 prompts, its accuracy beside the published one, machine and versions. Verdict: *reproduced* when the published accuracy
lies in the 95 % interval of ours and that is at most 10 points wide, *too few questions* when it is wider, *not reproduced* when the
value lies outside, *no published value*, or *not measured* when the questions cannot be had. Passports are artifacts
(`cache/passports/`), in float32 unless `--dtype` says otherwise; those of the models that ship are in `cache/bundled/passports/`.

| hub id | preset | family | base | passes | published | known |
|---|---|---|---|---|---|---|
"""


def document() -> str:
    names = {preset.hub_id: name for name, preset in PRESETS.items()}
    return HEAD + "".join(row(hub_id, names.get(hub_id, ""), preset) for hub_id, preset in sorted(KNOWN.items(), key=_order))


def row(hub_id: str, name: str, preset: Preset) -> str:
    family = FAMILIES[preset.family].label if preset.family else "" if preset.refused else "found from its files"
    published = "; ".join(
        f"{one.accuracy:.1%} on {one.eval_set}{f', n = {one.n:,}' if one.n else ''} ({one.source})" for one in preset.published
    )
    about = f"**Not computed**: {preset.refused}." if preset.refused else preset.about
    cells = (f"`{hub_id}`", f"`{name}`" if name else "", family, preset.base or "", str(preset.passes or ""), published, about)
    return f"| {' | '.join(cells)} |\n"


def _order(item: tuple[str, Preset]) -> tuple[bool, bool, str]:
    hub_id, preset = item
    return bool(preset.refused), preset not in PRESETS.values(), hub_id


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
