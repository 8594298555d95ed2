"""The model card as a page: facts in tables, the learning curve, accuracy with its interval."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st

from codi_core.figures.training import learning_curve
from codi_core.services.cards import ModelCard
from codi_core.services.evaluate import EvalReport
from codi_core.types import Floats, LensCard
from codi_core.ui import words
from codi_core.ui.export import chart
from codi_core.ui.lens_card import lens_card


def weights(card: ModelCard) -> None:
    spec = card.spec
    _facts(
        "Weights",
        {
            "Model": spec.name,
            **({"From": f"huggingface.co/{card.hub_id}"} if card.hub_id else {}),
            "Folder": card.source,
            "Weights, SHA-256": spec.checkpoint,
            "Architecture and tokenizer, SHA-256": spec.base,
            "Key": card.key,
        },
    )


def architecture(card: ModelCard) -> None:
    ids = card.special_ids
    _facts(
        "Architecture",
        {
            "Family": card.family,
            "Parameters": f"{card.parameters:,}",
            "Layers × width": f"{card.n_layers} × {card.d_model}",
            "Heads (key-value) × size": f"{card.n_heads} ({card.n_kv_heads}) × {card.d_head}",
            "Vocabulary": f"{card.vocab_size:,}",
            "Positions": f"{card.max_positions:,}",
            "Projection of latents": "yes" if card.has_projection else "none: h is fed back as it is",
            "Token ids": ", ".join(f"{name} {token}" for name, token in ids.items() if token is not None),
        },
    )


def runs(card: ModelCard) -> None:
    spec = card.spec
    _facts(
        "How it runs",
        {
            "Device": f"{card.device}: {card.device_reason}",
            "Precision": spec.dtype,
            "Prompt format": spec.prompt_format,
            "Rotary frequencies": "rounded to bfloat16, as in training" if spec.rope_rounding == "bf16" else "exact",
            "LoRA": f"merged, α = {spec.lora_alpha:g}" if spec.lora_alpha is not None else "none in the file",
        },
    )


def accuracy(card: ModelCard, reports: list[EvalReport]) -> None:
    st.subheader("Accuracy", anchor=False)
    if reports:
        st.table(pd.DataFrame(map(_accuracy_row, sorted(reports, key=_order))), hide_index=True, border="horizontal")
        st.caption(
            "Intervals are 95 %, clustered by template and parameters; effective n counts questions that stand or fall together once. "
            "Spelled out: answers that write equations instead of just a number, as a model whose passes are cut short may do."
        )
    else:
        st.caption("Nothing is stored for these weights on this device's precision yet. This makes it:")
    st.code(f".venv/bin/python -m codi_core eval --model {_name(card)} --eval-set bundled --n 1000", language="bash")


def _order(report: EvalReport) -> tuple[str, str, int]:
    return report.spec.eval_set.name, report.spec.mode, -report.spec.rollout.passes


def _accuracy_row(report: EvalReport) -> dict[str, str]:
    share, outcomes = report.accuracy, report.outcomes
    chain = report.spec.mode == "cot"
    return {
        "Eval set": report.spec.eval_set.name,
        "Thinking": "explicit chain" if chain else f"{report.spec.rollout.passes} latent passes",
        "Accuracy": f"{share.value:.1%}",
        "Interval": f"{share.low:.1%} – {share.high:.1%}",
        "n (effective)": f"{share.n:,} ({share.effective_n:,.0f})",
        "Wrong": f"{outcomes['wrong']:,}",
        "Spelled out": f"{report.spelled_out.value:.1%} ({report.spelled_out.low:.1%} – {report.spelled_out.high:.1%})",
        "No number / cut off": f"{outcomes['unparsed']:,} / {outcomes['truncated']:,}",
        "Key": report.spec.key,
    }


def _name(card: ModelCard) -> str:
    """What the command line calls it."""
    return card.spec.name if card.hub_id or card.source.endswith(f"bundled/models/{card.spec.name}") else card.source


def lenses(cards: list[LensCard]) -> None:
    """What tuned lenses of this model are worth on questions they were not trained on."""
    if not cards:
        return
    st.subheader("Tuned lenses", anchor=False)
    cards = sorted(cards, key=lambda card: (not card.name.endswith(":all"), card.name))
    st.table(pd.DataFrame(map(_lens_row, cards)), hide_index=True, border="horizontal")
    st.caption(
        "Means over indices and over depths below the output, on held-out questions. The logit lens on the same cells for comparison."
    )
    names = {card.name: card for card in cards}
    chosen = st.segmented_control("Lens card of", list(names), default=cards[0].name, required=True, key="card-lens", bind="query-params")
    lens_card(names[chosen])


def _lens_row(card: LensCard) -> dict[str, str]:
    def mean(values: Floats) -> float:
        return float(values[:, :-1].mean())

    return {
        "Lens": card.name,
        "Indices": ", ".join(map(str, card.indices)) or "the prompt's text",
        "Trained on": f"{card.n_latents:,} states of '{card.train_set}'",
        "Held out": f"{card.n_held_out:,} questions of '{card.held_out_set}'",
        "KL to output, nats (logit lens)": f"{mean(card.kl_tuned):.2f} ({mean(card.kl_plain):.2f})",
        "Same top token (logit lens)": f"{mean(card.agree_tuned):.0%} ({mean(card.agree_plain):.0%})",
        "Key": card.key,
    }


def training(card: ModelCard) -> None:
    st.subheader("Training", anchor=False)
    if not card.training.get("training"):
        st.caption("The checkpoint does not say how it was trained (it has no codi.json).")
        return
    if domain := words.domain(card):
        st.markdown(domain)
    spec = {str(name).replace("_", " "): str(value) for name, value in card.training["training"].items() if name not in ("kind", "name")}
    seconds = card.training.get("wall_seconds")
    if seconds:
        spec["time"] = f"{float(seconds) / 60:,.0f} minutes on {card.training.get('device', 'an unknown device')}"
    left, right = st.columns([1, 2], gap="large")
    with left:
        _facts("", spec)
    curve = card.training.get("curve") or []
    with right:
        if curve:
            trained = f"{card.spec.name} · weights {card.spec.checkpoint[:8]} · key {card.key}"
            chart(learning_curve(curve), key="learning-curve", title="Learning curve", condition=trained)
            with st.expander("The curve as a table"):
                st.dataframe(pd.DataFrame(curve), hide_index=True)


def _facts(title: str, facts: dict[str, str]) -> None:
    """A definition list. Values may hold anything: they are escaped."""
    if title:
        st.subheader(title, anchor=False)
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in facts.items())
    st.html(f'<dl class="facts">{rows}</dl>')
