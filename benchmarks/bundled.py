"""``python -m benchmarks.bundled [MODEL …]``: evaluate the shipped models; writes docs/bundled-results.md, the curves and the stored evals.

Evals and passports go to cache/bundled, where the Model page finds them. What is stored already is not computed again.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from codi_core.evaluation.detection import aligned_detection, aligned_hits, detection_contrast
from codi_core.figures.contrast import amount
from codi_core.figures.training import learning_curve
from codi_core.keys import from_canonical
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.evaluate import EvalReport, EvalRequest, evaluate
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.passport import PASSPORTS, VerifyRequest, verify
from codi_core.services.shared.workbench import Workbench
from codi_core.services.twins import accuracy_contrasts, twin_of
from codi_core.settings import ROOT, Settings
from codi_core.training.batches import MAX_STEPS
from codi_core.training.run import TRAIN_PRESETS
from codi_core.values.callbacks import OnProgress
from codi_core.values.passport import PassportSpec
from codi_core.values.stats import Estimates, Share

DOCUMENT = ROOT / "docs" / "bundled-results.md"
N = 1_000
TOP = (1, 5, 10)
INTRO = f"""# What the bundled models can do

Written by `python -m benchmarks.bundled`. {N:,} problems a row, none seen in training; 95 % intervals that know which questions share
numbers or wording. *Unseen triples*: eval set `bundled`; *unseen wordings*: phrases that no training problem contains, numbers unseen too.
Unseen are the problems, not the single sums they take: those are practised as bare equations (docs/bundled-model.md).
*Spelled out*: answers that write equations after `eot` instead of giving a number. A model whose passes are cut short falls back to that,
so part of what it still gets right it does not owe to its latents.
"""


def requests(model: str) -> dict[str, EvalRequest]:
    base = EvalRequest(model, n=N)
    return {
        "unseen triples, 6 passes": replace(base, swap_donor=True),
        **{f"unseen triples, {passes} pass{'es' * (passes != 1)}": replace(base, passes=passes) for passes in (5, 4, 3, 2, 1, 0)},
        "unseen triples, explicit chain": replace(base, mode="cot"),
        "`templates`, 6 passes": replace(base, eval_set="templates"),
        "`templates`, 0 passes": replace(base, eval_set="templates", passes=0),
        "unseen wordings, 6 passes": replace(base, eval_set="wordings"),
    }


def section(shipping: Workbench, workbench: Workbench, model: str) -> Iterator[str]:
    """``shipping`` stores what ships, ``workbench`` what does not."""
    reports = {name: evaluate(shipping, request, _show(f"{model}: {name}")) for name, request in requests(model).items()}
    yield f"\n## {model}\n\n| | accuracy | 95 % interval | n | effective n | spelled out |\n|---|---|---|---|---|---|"
    for name, report in reports.items():
        right, spelled = report.accuracy, _percent(report.spelled_out).replace(" | ", ", ")
        yield f"| {name} | {_percent(right)} | {right.n:,} | {right.effective_n:,.0f} | {spelled} |"
    yield from _kinds(reports["unseen triples, 6 passes"])
    yield from _swaps(reports["unseen triples, 6 passes"])
    yield from _steps(workbench, model)
    yield from _beside(shipping, workbench, model, reports)
    yield "\n| prompt of the posts | answer | |\n|---|---|---|"
    for problem in (team_prompt(), seed_prompt()):
        answer = inspect(workbench, InspectRequest(model, problem.question), "bundled").rollout.answer
        yield f"| {problem.question} | {answer} | {'right' if answer.strip() == str(problem.answer) else f'wrong, {problem.answer}'} |"


def _kinds(report: EvalReport) -> Iterator[str]:
    yield "\n| six passes, by kind | accuracy | 95 % interval | n |\n|---|---|---|---|"
    for name, share in report.by_family.items():
        yield f"| {name} | {_percent(share)} | {share.n:,} |"
    for steps, share in report.by_steps.items():
        yield f"| {steps} step{'s' * (steps > 1)} | {_percent(share)} | {share.n:,} |"


def _swaps(report: EvalReport) -> Iterator[str]:
    """Of the problems answered right, by one of the same length whose answer differs."""
    yield "\n| latents of another problem patched in | answer is the donor's | its own | neither | n |\n|---|---|---|---|---|"
    for swap in report.swaps:
        shares = " | ".join(_percent(share).replace(" | ", ", ") for share in (swap.donor, swap.own, swap.neither))
        yield f"| {'fed to the passes (z)' if swap.patch == 'z' else 'in the KV cache'} | {shares} | {swap.donor.n:,} |"


def _steps(workbench: Workbench, model: str) -> Iterator[str]:
    *_, readings = detect(workbench, DetectRequest(model, "bundled", N), "bundled")
    yield "\n| logit lens, last depth | index | " + " | ".join(f"top {k} (by chance)" for k in TOP) + " | n |\n|---|---|---|---|---|---|"
    for step in range(1, MAX_STEPS + 1):
        found, chance = aligned_detection(readings, step)
        cells = " | ".join(f"{_cell(found, k)} ({_cell(chance, k)})" for k in TOP)
        yield f"| value of step {step} | {step + 1} | {cells} | {found.n:,} |"


def _beside(shipping: Workbench, workbench: Workbench, model: str, reports: dict[str, EvalReport]) -> Iterator[str]:
    """The same in the pause twin, question by question; nothing where there is none."""
    twin = twin_of(shipping, model)
    if twin is None or twin.differs:
        return
    yield f"\n| beside its control, `{twin.name}` | model | control | difference, points | n |\n|---|---|---|---|---|"
    theirs = {name: evaluate(shipping, request, _show(f"{twin.name}: {name}")) for name, request in requests(twin.name).items()}
    for name, report in reports.items():
        (found,) = accuracy_contrasts([report], [theirs[name]])
        paired = found.paired
        points = f"{amount(paired.delta, True)} ({amount(paired.low, True)} to {amount(paired.high, True)})"
        yield f"| right: {name} | {paired.accuracy_b:.1%} | {paired.accuracy_a:.1%} | {points} | {paired.n:,} |"
    own, control = ([*detect(workbench, DetectRequest(name, "bundled", N), "bundled")][-1] for name in (model, twin.name))
    for step in range(1, MAX_STEPS + 1):
        means = detection_contrast(own, control, partial(aligned_hits, step=step), k=5).difference
        shares = [float(aligned_detection(readings, step)[0].value[4]) for readings in (own, control)]
        points = f"{amount(float(means.value), True)} ({amount(float(means.low), True)} to {amount(float(means.high), True)})"
        yield f"| step {step} in the top 5 at index {step + 1}, last depth | {shares[0]:.0%} | {shares[1]:.0%} | {points} | {means.n:,} |"


def _cell(means: Estimates, k: int) -> str:
    return f"{float(means.value[k - 1]):.0%}"


def _percent(share: Share) -> str:
    return f"{share.value:.1%} | {share.low:.1%} – {share.high:.1%}"


def draw_curve(settings: Settings, model: str) -> None:
    """The plot in docs/bundled-model.md."""
    card = json.loads((settings.bundled_dir / "models" / model / "codi.json").read_text(encoding="utf-8"))
    figure = learning_curve(card["curve"]).update_layout(template="plotly_white", width=900, margin={"l": 40})
    (ROOT / "docs" / "img" / f"curve-{model}.png").write_bytes(figure.to_image("png", scale=1.5))


def ship_passport(settings: Settings, model: str) -> None:
    """Made in a cache of its own, so that all of it is computed now; put in the place of older ones of the same weights and prompt."""
    with tempfile.TemporaryDirectory() as scratch:
        bench = Workbench(replace(settings, model=model, dtype="float32", cache_dir=Path(scratch)))
        try:
            made = verify(bench, VerifyRequest(model), _show(f"{model}: passport"), fresh=True)
            for key in bench.store.keys(PASSPORTS):
                name = from_canonical(PassportSpec, bench.store.read(PASSPORTS, key).meta.spec).model.name
                if name == model and key != made.spec.key:
                    shutil.rmtree(settings.bundled_dir / PASSPORTS / key)
            target = settings.bundled_dir / PASSPORTS / made.spec.key
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(bench.store.path(PASSPORTS, made.spec.key), target)
        finally:
            bench.close()
    print(f"{model}: {made.verdict}")


def _show(name: str) -> OnProgress:
    def show(done: int, total: int) -> None:
        print(f"\r{name} {done:,} / {total:,}", end="\n" if done == total else "", file=sys.stderr, flush=True)

    return show


def main() -> None:
    settings = Settings.from_env()
    here = [model for model in TRAIN_PRESETS if (settings.bundled_dir / "models" / model).is_dir()]
    models = sys.argv[1:] or here
    for model in models:
        draw_curve(settings, model)
    workbench, shipping = Workbench(settings), Workbench(replace(settings, cache_dir=settings.bundled_dir))
    lines = [line for model in models for line in section(shipping, workbench, model)]
    DOCUMENT.write_text(INTRO + "\n".join(lines) + "\n", encoding="utf-8")
    for bench in (workbench, shipping):
        bench.close()
    for model in models:
        ship_passport(settings, model)


if __name__ == "__main__":
    main()
