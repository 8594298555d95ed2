"""The model card as a page: facts in tables, the learning curve, accuracy with its interval."""

from __future__ import annotations

import html
import shlex
from pathlib import Path

import pandas as pd
import streamlit as st

from codi_core.figures.training import learning_curve
from codi_core.services.cards import ModelCard
from codi_core.services.evaluate import EvalReport
from codi_core.services.lenses import training_commands
from codi_core.ui.inspect import captions
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import lens_choice
from codi_core.ui.widgets.export import chart
from codi_core.ui.widgets.lens_card import lens_card
from codi_core.ui.widgets.outcome_bars import Bar, outcome_bars
from codi_core.ui.widgets.table import rows_table
from codi_core.values.arrays import Floats
from codi_core.values.lens import LensCard


def weights(card: ModelCard) -> None:
    spec = card.spec
    facts(
        "Weights",
        {
            "Model": spec.name,
            **({"From": f"huggingface.co/{card.hub_id}"} if card.hub_id else {}),
            **({"Known of it": card.about} if card.about else {}),
            "Folder": Path(card.source).name,
            "Weights, SHA-256": spec.checkpoint,
            "Architecture and tokenizer, SHA-256": spec.base,
            "Key": card.key,
        },
    )


def architecture(card: ModelCard) -> None:
    ids = card.special_ids
    facts(
        "Architecture",
        {
            "Family": card.family_label,
            "Architecture": card.architecture,
            "Parameters": f"{card.parameters:,}",
            "Layers × width": f"{card.n_layers} × {card.d_model}",
            "Heads (key-value) × size": f"{card.n_heads} ({card.n_kv_heads}) × {card.d_head}",
            "Vocabulary": f"{card.vocab_size:,}",
            "Positions": f"{card.max_positions:,}",
            "Projection of latents": _fed_back(card),
            "Token ids": ", ".join(f"{name} {token}" for name, token in ids.items() if token is not None),
        },
    )


def _fed_back(card: ModelCard) -> str:
    if not card.feeds_back:
        return "none: every pass is fed one learned vector"
    return "yes" if card.has_projection else "none: h is fed back as it is"


def runs(card: ModelCard) -> None:
    spec = card.spec
    facts(
        "How it runs",
        {
            "Device": f"{card.device}: {card.device_reason}",
            "Precision": spec.dtype,
            "Prompt format": spec.prompt_format,
            "Questions end with": spec.suffix.strip() or "what is typed",
            "Answers begin with": card.lead.strip() or "the answer itself",
            "Latent passes": card.passes_said,
            "Rotary frequencies": "rounded to bfloat16, as in training" if spec.rope_rounding == "bf16" else "exact",
            "LoRA": f"merged, α = {card.lora_alpha}" if spec.lora_alpha is not None else "none in the file",
            "Assumed, for no file says it": "; ".join(card.assumed) or "nothing",
            "Inferred": "; ".join(card.notes) or "nothing",
            "Tensors": "; ".join(f"{count} {fate}" for fate, count in card.tensors.items()),
        },
    )


def accuracy(card: ModelCard, reports: list[EvalReport]) -> None:
    st.header("Accuracy", anchor=False)
    if reports:
        ordered = sorted(reports, key=_order)
        st.html(rows_table(list(map(_accuracy_row, ordered)), "Accuracy by eval set"))
        outcome_bars([Bar(f"{report.spec.eval_set.name}, {_thinking(report)}", report.outcomes, report.accuracy) for report in ordered])
        st.caption(
            "Intervals are 95 %, clustered by template and parameters; effective n counts questions that stand or fall together once. "
            "Spelled out: answers that write equations instead of just a number, as a model whose passes are cut short may do."
        )
    else:
        st.caption("Nothing is stored for these weights on this device's precision yet. This makes it:")
    command = f".venv/bin/python -m codi_core eval --model {shlex.quote(card.name)} --eval-set bundled --n 1000"
    st.code(command, language="bash", wrap_lines=True)


def _order(report: EvalReport) -> tuple[str, str, int]:
    return report.spec.eval_set.name, report.spec.mode, -report.spec.rollout.passes


def _accuracy_row(report: EvalReport) -> dict[str, str]:
    share = report.accuracy
    return {
        "Eval set": report.spec.eval_set.name,
        "Thinking": _thinking(report),
        "Accuracy": f"{share.value:.1%}",
        "Interval": f"{share.low:.1%} – {share.high:.1%}",
        "n (effective)": f"{share.n:,} ({share.effective_n:,.0f})",
        "Spelled out": f"{report.spelled_out.value:.1%} ({report.spelled_out.low:.1%} – {report.spelled_out.high:.1%})",
        "Key": report.spec.key,
    }


def _thinking(report: EvalReport) -> str:
    passes = report.spec.rollout.passes
    return "explicit chain" if report.spec.mode == "cot" else f"{passes} latent pass{'es' * (passes != 1)}"


def lenses(model: str, card: ModelCard) -> LensCard | None:
    """The lenses of this model: how to read them, how to make another, and what trained ones are worth on questions they never saw.

    Returns the card that is shown.
    """
    options = calls.lens_menu(model)
    st.header("Lenses", anchor=False)
    for label, about in dict.fromkeys((option.label, option.about) for option in options):
        st.markdown(f"**{plain(label)}**: {plain(about)}")
    st.caption("This trains a lens of these weights:")
    st.code("\n".join(f".venv/bin/{command}" for command in training_commands(card.name, card.passes)), language="bash", wrap_lines=True)
    trained = [option for option in options if option.card]
    if trained:
        st.html(rows_table([_lens_row(option.card) for option in trained if option.card], "Trained lenses"))
        st.caption(
            "Means over indices and over depths below the output, on held-out questions. The logit lens on the same cells for comparison."
        )
        if chosen := lens_choice.chosen_card(model):
            lens_card(chosen)
            return chosen.card
    return None


def _lens_row(card: LensCard) -> dict[str, str]:
    def mean(values: Floats) -> float:
        return float(values[:, :-1].mean())

    return {
        "Lens": card.name,
        "Indices": ", ".join(map(str, card.indices)) or "the prompt's text",
        "Trained on": f"{card.n_latents:,} states of '{card.train_set}'",
        "Held out": f"{card.n_held_out:,} questions of '{card.held_out_set}'",
        "KL to output, nats (logit lens)": f"{mean(card.kl):.2f} ({mean(card.kl_plain):.2f})",
        "Same top token (logit lens)": f"{mean(card.agree):.0%} ({mean(card.agree_plain):.0%})",
        "Key": card.key,
    }


def training(card: ModelCard) -> None:
    st.header("Training", anchor=False)
    if not card.training.get("training"):
        st.caption("The checkpoint does not say how it was trained (it has no codi.json).")
        return
    if domain := captions.domain(card):
        st.markdown(domain)
    spec = {str(name).replace("_", " "): str(value) for name, value in card.training["training"].items() if name not in ("kind", "name")}
    seconds = card.training.get("wall_seconds")
    if seconds:
        spec["time"] = f"{float(seconds) / 60:,.0f} minutes on {card.training.get('device', 'an unknown device')}"
    left, right = st.columns([1, 2], gap="large")
    with left:
        facts("", spec)
    curve = card.training.get("curve") or []
    with right:
        if curve:
            trained = f"{card.spec.name} · weights {card.spec.checkpoint[:8]} · key {card.key}"
            chart(lambda: learning_curve(curve), key="learning-curve", title="Learning curve", condition=trained)
            with st.expander("The curve as a table"):
                st.dataframe(pd.DataFrame(curve), hide_index=True)


def facts(title: str, facts: dict[str, str]) -> None:
    """A definition list. Values may hold anything: they are escaped."""
    if title:
        st.header(title, anchor=False)
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    st.html(f'<dl class="facts">{rows}</dl>')
