"""The passport of a model: what was verified, where, and what came out."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator

import pandas as pd
import streamlit as st

from codi_core.services.cards import ModelCard
from codi_core.services.passport import Verification, VerifyRequest, verifying
from codi_core.ui.model.views import facts
from codi_core.ui.shell import background, calls
from codi_core.ui.shell.background import Run
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.values.callbacks import OnWait
from codi_core.values.passport import WIDEST, Passport, Standing

_ICONS: dict[Standing, str] = {"reproduced": "check_circle", "not reproduced": "error", "no published value": "help"}
_NO_PASSES = "It cannot be verified from here, as no file says how many latents these weights were trained with"


def passport(card: ModelCard, model: str, found: Passport | None) -> None:
    """``model``: what requests call it. ``found``: the stored one."""
    st.header("Passport", anchor=False)
    run: Run[Verification] = background.run_of("passport", card.key, lambda: None)
    background.repainted(run, lambda: _panel(run, card, model, found))


def _panel(run: Run[Verification], card: ModelCard, model: str, found: Passport | None) -> None:
    made = run.value.passport if run.value else None
    shown = made or found
    if shown is None:
        st.caption("These weights have none yet: nothing here says that they are computed as their authors meant.")
    else:
        _show(shown)
    if card.passes is None:
        st.info(plain(f"{_NO_PASSES} ({card.passes_hint}). Say it on the command line:"), icon=":material/help:")
    else:
        with shown_errors():
            _controls(run, model, found is not None)
    flags = (" --passes K" if card.passes is None else "") + (" --fresh" if shown else "")
    st.code(f".venv/bin/python -m codi_core verify {shlex.quote(card.name)}{flags}", language="bash", wrap_lines=True)


def _controls(run: Run[Verification], model: str, fresh: bool) -> None:
    """``fresh``: in place of a stored one."""
    workbench, viewer, step = calls.workbench(), calls.behind("passport"), run.value

    def work(on_wait: OnWait) -> Iterator[Verification]:
        return workbench.stream(verifying, VerifyRequest(model), viewer, on_wait=on_wait, fresh=fresh)

    if step and step.passport:
        calls.passport.clear()  # other pages and the next visit read the store again
    done = 1.0 if step and step.passport else step.done / max(step.total, 1) if step and run.running else 0.0
    caption = f"{step.done:,} of {step.total:,} questions answered" if step and step.total else "Engine against oracle on 8 prompts …"
    background.controls(run, work, done, caption, "passport", start="Verify again" if fresh else "Verify")


def _show(found: Passport) -> None:
    _verdict(found)
    left, right = st.columns(2, gap="large")
    with left:
        facts("", _what(found))
    with right:
        _details(found)


def _verdict(found: Passport) -> None:
    failed = sum(not check.passed for check in found.checks)
    if failed:
        st.error(f"On {failed} of {len(found.checks)} prompts the engine disagrees with the oracle.", icon=":material/error:")
    show = st.error if found.standing == "not reproduced" else st.success if found.standing == "reproduced" else st.info
    show(plain(found.verdict), icon=f":material/{_ICONS.get(found.standing, 'help')}:")


def _what(found: Passport) -> dict[str, str]:
    spec, published = found.spec.model, found.published
    eval_set = found.spec.eval.eval_set if found.spec.eval else None
    passed, worst = sum(check.passed for check in found.checks), max(check.distance for check in found.checks)
    return {
        "Engine and oracle": f"{passed} of {len(found.checks)} prompts token for token, latents within {worst:.1e}",
        "Asked": f"{found.spec.passes} passes, {spec.prompt_format} prompt, {spec.dtype}",
        **({"Eval set": f"{eval_set.name}, {eval_set.n:,} questions, seed {eval_set.seed}"} if eval_set else {}),
        **({"Published by": published.source} if published else {}),
        "Assumed": "; ".join(found.assumed) or "nothing",
        "Machine": found.machine,
        "Versions": ", ".join(f"{name} {version[:12]}" for name, version in found.versions.items()),
        "Made": found.made,
        "Key": found.spec.key,
    }


def _details(found: Passport) -> None:
    fates = Counter(entry.fate for entry in found.ledger)
    with st.expander(
        f"The {len(found.ledger):,} tensors, and what became of them: {', '.join(f'{n:,} {fate}' for fate, n in fates.items())}"
    ):
        st.dataframe(pd.DataFrame([(entry.name, entry.fate) for entry in found.ledger], columns=["Tensor", "Fate"]), hide_index=True)
    with st.expander(f"The {len(found.checks)} prompts"):
        rows = [(check.passed, check.answer, check.expected, f"{check.distance:.1e}", check.prompt) for check in found.checks]
        st.dataframe(pd.DataFrame(rows, columns=["Equal", "Engine", "Oracle", "Distance", "Prompt"]), hide_index=True)
    st.caption(
        f"Reproduced: the published accuracy lies in the 95 % interval of ours, which is at most {WIDEST * 100:.0f} points wide. The "
        "oracle computes the same model in the plainest way: one prompt at a time, the whole sequence again at every step."
    )
    st.download_button(
        "Passport (JSON)",
        json.dumps(found.as_json(), indent=1, ensure_ascii=False),
        f"codi-passport-{found.spec.key}.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
    )
