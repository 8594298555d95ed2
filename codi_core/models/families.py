"""Families of latent-reasoning checkpoints: what their public code writes into a file and does with it. A new one is a row of FAMILIES.

Sources: zhenyi4/codi, cywinski/codi, InternLM/SIM-CoT (CODI), connordilgren/are-lrms-easily-interpretable (multi-mode),
facebookresearch/coconut, InternLM/SIM-CoT (Coconut), ModalityDance/LatentTTS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from codi_core.values.model import PromptFormat, RunMode

Role = Literal["pad", "bot", "eot", "latent"]


@dataclass(frozen=True)
class Added:
    """A row that the family's code appends to the base model's embedding."""

    role: Role
    name: str
    """As the family's tokenizers spell it."""


@dataclass(frozen=True)
class Family:
    """One way of feeding thoughts back. Everything here holds for every checkpoint of the family."""

    name: str
    label: str
    source: str
    """The public code it was read from."""
    bodies: tuple[str, ...]
    """Prefixes that the base model's own tensor names may have; the first is the usual one."""
    projection: str
    """Prefix of the tensors that make a pass's input; empty: h is fed back as it is."""
    added: tuple[Added, ...]
    """The added rows in the order in which they are appended."""
    formats: tuple[PromptFormat, ...]
    """Prompt formats its checkpoints were trained with, the default first."""
    modes: tuple[RunMode, ...] = ("latent",)
    """What its checkpoints were trained to do."""
    apart: Mapping[str, str] = field(default_factory=dict)
    """Prefixes of tensors that the rollout does not use, and what they are."""
    copies: tuple[str, ...] = ()
    """Names of copies of the input embedding."""
    masks_eot: bool = False
    """eot cannot be written in an answer."""
    first_token_may_be_eos: bool = False
    """The first answer token is not compared with eos: an eos there is kept, and the answer goes on."""
    names_tokens: bool = False
    """Its code adds the tokens to the tokenizer, so that questions and answers spell them."""
    latent_read_as: int | None = None
    """The id whose embedding is fed when an answer writes the latent token."""
    rounds_rope: bool = False
    """Its code casts the whole module to bfloat16, rotary frequencies included."""
    feeds_back: bool = True
    """False: every pass is fed the one learned vector ``weight`` under ``projection``, whatever the latents are."""
    passes: int | None = None
    """Latents of every published checkpoint; None when they differ, so that a person has to say."""
    passes_hint: str = ""
    """What is known where they differ."""

    def index_of(self, role: Role) -> int | None:
        """Place of a role among the added rows."""
        return next((place for place, added in enumerate(self.added) if added.role == role), None)

    def name_of(self, role: Role) -> str | None:
        return next((added.name for added in self.added if added.role == role), None)


_COCONUT_TOKENS = (Added("bot", "<|start-latent|>"), Added("eot", "<|end-latent|>"), Added("latent", "<|latent|>"))
_COCONUT_PASSES = "6 in Coconut's runs on GSM8K, ProsQA and ProntoQA, 10 in SIM-CoT's: the stage reached in training times c_thought"
_COCONUT_APART = {
    "expainable_llm.": "SIM-CoT's auxiliary decoder, for training and for reading latents as text",
    "explainable_llm.": "SIM-CoT's auxiliary decoder, for training and for reading latents as text",
}
_CODI_APART = {
    "decoder.": "SIM-CoT's step decoder, for training and for reading latents as text",
    "pj_in.": "the step decoder's input projection",
    "pj_out.": "the step decoder's output projection",
}

_ROWS = (
    Family(
        "codi",
        "CODI",
        "zhenyi4/codi, cywinski/codi, InternLM/SIM-CoT",
        bodies=("codi.", ""),
        projection="prj.",
        added=(Added("pad", "[PAD]"), Added("bot", "<|bocot|>"), Added("eot", "<|eocot|>")),
        formats=("paper", "answer-only", "paper-eos"),
        modes=("latent", "explicit"),
        apart=_CODI_APART,
        masks_eot=True,
        rounds_rope=True,
        passes=6,
    ),
    Family(
        "codi-multimode",
        "CODI, multi-mode",
        "connordilgren/are-lrms-easily-interpretable",
        bodies=("codi.", ""),
        projection="prj.",
        added=(Added("bot", "<bocot>"), Added("eot", "<eocot>")),
        formats=("turn",),
        modes=("latent", "explicit", "direct"),
        apart=_CODI_APART,
        rounds_rope=True,
        passes=6,
    ),
    Family(
        "codi-pause",
        "CODI, pause twin",
        "this repository (docs/bundled-model.md)",
        bodies=("codi.",),
        projection="pause.",
        added=(Added("pad", "[PAD]"), Added("bot", "<|bocot|>"), Added("eot", "<|eocot|>")),
        formats=("answer-only",),
        modes=("latent", "explicit"),
        masks_eot=True,
        feeds_back=False,
        passes=6,
    ),
    Family(
        "coconut",
        "Coconut",
        "facebookresearch/coconut, InternLM/SIM-CoT",
        bodies=("base_causallm.",),
        projection="",
        added=_COCONUT_TOKENS,
        formats=("newline",),
        apart=_COCONUT_APART,
        copies=("embedding.weight",),
        first_token_may_be_eos=True,
        names_tokens=True,
        passes_hint=_COCONUT_PASSES,
    ),
    Family(
        "coconut-multimode",
        "Coconut, multi-mode",
        "connordilgren/are-lrms-easily-interpretable",
        bodies=("base_causallm.",),
        projection="",
        added=(Added("bot", "<|bocot|>"), Added("eot", "<|eocot|>"), Added("latent", "<|latent|>")),
        formats=("newline-turn",),
        apart=_COCONUT_APART,
        copies=("embedding.weight",),
        first_token_may_be_eos=True,
        names_tokens=True,
        passes_hint=_COCONUT_PASSES,
    ),
    Family(
        "latenttts-codi",
        "LatentTTS, CODI",
        "ModalityDance/LatentTTS",
        bodies=("",),
        projection="projector.",
        added=_COCONUT_TOKENS,
        formats=("as-is",),
        names_tokens=True,
        latent_read_as=0,
        passes=6,
    ),
    Family(
        "latenttts-coconut",
        "LatentTTS, Coconut",
        "ModalityDance/LatentTTS",
        bodies=("",),
        projection="",
        added=_COCONUT_TOKENS,
        formats=("newline",),
        names_tokens=True,
        latent_read_as=0,
        passes=6,
    ),
)
FAMILIES: dict[str, Family] = {family.name: family for family in _ROWS}
"""By name. The first row whose prefixes fit a file is its family unless its tokens say another (see `recognise.family_of`)."""

BODY_PREFIXES = tuple(dict.fromkeys(prefix for family in _ROWS for prefix in family.bodies if prefix))
PROJECTION_PREFIXES = tuple(dict.fromkeys(family.projection for family in _ROWS if family.projection))

FOREIGN_FILES = {
    "pccot_args.json": "a PCCoT model, which refines all its latents together several times (Jacobi iterations), not one after another",
}
"""Files beside the weights that tell a method which is not computed here, and what it is."""
REFUSED = {
    "pause_embedding": "a pause model: one trained vector replaces every latent input, so nothing is fed back",
    "mu_head.": "a CoLaR model, which samples latents of a distribution",
    "latent_policy.": "a CoLaR model, which samples latents of a distribution",
    "score.": "a classifier or reward model, which writes no answers",
    "v_head.": "a value model, which writes no answers",
}
"""Beginnings of names that tell another kind of model, and what it is."""
