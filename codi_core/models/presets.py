"""Models known by name, and what their files cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codi_core.disk import sha256_of
from codi_core.errors import CheckpointError, ModelError
from codi_core.models.foreign import check_content
from codi_core.values.model import PromptFormat, RopeRounding
from codi_core.values.passport import Published

BASES_DIR = Path(__file__).parent / "bases"
SHIPPED = Path(__file__).with_name("shipped.json")
"""SHA-256 of the files of the models that ship, by model and file; ``python -m benchmarks.hashes`` writes it."""
_OWNERS = {"gpt2": "openai-community", "Llama": "meta-llama", "Qwen3": "Qwen"}
"""Of the known bases on the hub, by how their names begin."""


@dataclass(frozen=True)
class Preset:
    """What is known of a checkpoint beside its files. None in a field means: as its own files say (see load)."""

    hub_id: str | None = None
    """``owner/repo``, or ``owner/repo:path``; None: the model ships with this repository."""
    revision: str | None = None
    base: str | None = None
    """Name of a config in ``bases/``: checkpoints on the hub carry weights and tokenizer, but no config.json."""
    prompt_format: PromptFormat | None = None
    lora_alpha: float | None = None
    rope_rounding: RopeRounding | None = None
    family: str | None = None
    suffix: str | None = None
    lead: str | None = None
    passes: int | None = None
    published: tuple[Published, ...] = ()
    about: str = ""
    """What else is known of it."""
    refused: str = ""
    """What it is, when that is not computed here."""

    def published_on(self, eval_set: str) -> Published | None:
        """What was published on an eval set, by its name."""
        return next((one for one in self.published if one.eval_set == eval_set), None)


_CODI_PAPER = "arXiv 2502.21074"
_SIMCOT = "its model card, as quoted in InternLM/SIM-CoT issue 15"
_CODI = Preset(None, None, None, "paper", 32, "bf16", "codi", passes=6)
_GPT2 = replace(_CODI, base="gpt2", rope_rounding="none")
_COCONUT = Preset(base="gpt2", family="coconut", passes=6)


def _on_hub(preset: Preset, hub_id: str, base: str | None = None, gsm8k: float | None = None, source: str = "", **known: Any) -> Preset:
    published = (Published("gsm8k", gsm8k, 1_319, source),) if gsm8k is not None else ()
    return replace(preset, hub_id=hub_id, base=base or preset.base, published=published, **known)


PRESETS: dict[str, Preset] = {
    "bundled": Preset(passes=6),
    "bundled-steps": Preset(passes=6),
    "bundled-pause": Preset(passes=6),
    "bundled-steps-pause": Preset(passes=6),
    "codi-llama1b-answer-only": Preset(
        "bcywinski/codi_llama1b-answer_only",
        "315ec5cb5f9a071f950edb8455ca5c9a5f59691e",
        "Llama-3.2-1B-Instruct",
        "answer-only",
        32,
        "bf16",
        suffix=" Output only the answer and nothing else.",  # as its authors test it
        passes=6,
        about="The posts' model. Others measured 36.7 % on GSM8K with 6 latents and 28.7 % with none, but not with its trained prompt.",
    ),
    "codi-llama1b": _on_hub(
        _CODI,
        "zen-E/CODI-llama3.2-1b-Instruct",
        "Llama-3.2-1B-Instruct",
        0.556,
        _CODI_PAPER,
        about="Others measured 55.4 % on GSM8K.",
    ),
    "codi-gpt2": _on_hub(_GPT2, "zen-E/CODI-gpt2", None, 0.437, _CODI_PAPER, about="Others measured 43.1 % on GSM8K."),
    "codi-qwen3-8b": replace(_CODI, hub_id="cds-jb/codi_qwen3-8b-answer_only", base="Qwen3-8B", prompt_format="answer-only"),
    "simcot-gpt2": _on_hub(_GPT2, "internlm/SIM_COT-GPT2-CODI"),
    "simcot-llama1b": _on_hub(
        _CODI,
        "internlm/SIM_COT-LLaMA3-CODI-1B",
        "Llama-3.2-1B-Instruct",
        0.556,
        _SIMCOT,
        about="Others measured 55.88 % on GSM8K.",
    ),
    "simcot-llama3b": _on_hub(
        _CODI,
        "internlm/SIM_COT-LLaMA3-CODI-3B",
        "Llama-3.2-3B-Instruct",
        0.623,
        _SIMCOT,
        about="In shards, which its authors' own script does not read. Others measured 62.09 % on GSM8K.",
    ),
    "simcot-llama8b": _on_hub(
        _CODI,
        "internlm/SIM_COT-LLaMA3-CODI-8B",
        "Llama-3.1-8B-Instruct",
        0.641,
        _SIMCOT,
        about="In shards, head untied. Others measured 34.27 % on GSM8K: rows of special tokens may be lost in loading, or in the file.",
    ),
    "simcot-gpt2-coconut": _on_hub(
        _COCONUT,
        "internlm/SIM_COT-GPT2-Coconut:checkpoint_28",
        passes=10,
        about="10 latents with the settings that reproduce the paper; the evaluation settings that ship with its code give 2.",
    ),
    "coconut-gpt2": _on_hub(_COCONUT, "tsrigo/coconut:save_models/gsm-coconut/checkpoint_22", about="Coconut's run on GSM8K, epoch 22."),
    "coconut-gpt2-prosqa": replace(
        _COCONUT,
        hub_id="bmarti44/coconut-curriculum-checkpoints:coconut/checkpoint_best",
        published=(Published("prosqa", 0.97, 500, "its model card"),),
        about="ProsQA. Its repository's pause models (96.6 and 94.8 %) feed nothing back and do not open; explicit chains: 83.0 %.",
    ),
    "latenttts-codi": Preset("ModalityDance/latent-tts-codi", family="latenttts-codi", passes=6),
    "latenttts-coconut": Preset("ModalityDance/latent-tts-coconut", family="latenttts-coconut", passes=6),
    "multimode-gpt2": _on_hub(replace(_GPT2, prompt_format="turn", family="codi-multimode"), "connordilgren/gpt2-gsm8k-multimode-codi"),
    "multimode-llama1b": _on_hub(
        replace(_CODI, prompt_format="turn", family="codi-multimode"),
        "connordilgren/llama32-1b-gsm8k-multimode-codi",
        "Llama-3.2-1B-Instruct",
    ),
}
"""By the names that ``--model`` and the picker take."""


def _dilgren() -> Iterator[Preset]:
    """connordilgren/<base>-<data set>-<method>, as the scripts of arXiv 2604.04902 name them."""
    methods = {
        "codi": _CODI,
        "multimode-codi": replace(_CODI, prompt_format="turn", family="codi-multimode"),
        "coconut": _COCONUT,
        "multimode-coconut": replace(_COCONUT, family="coconut-multimode"),
    }
    for short, base in (("gpt2", "gpt2"), ("llama32-1b", "Llama-3.2-1B-Instruct")):
        for data in ("gsm8k", "prosqa", "prontoqa"):
            for method, preset in methods.items():
                if (short, data, method) == ("gpt2", "gsm8k", "codi"):  # not among them
                    continue
                rope = {"rope_rounding": "none"} if base == "gpt2" and "codi" in method else {}
                yield replace(preset, hub_id=f"connordilgren/{short}-{data}-{method}", base=base, **rope)  # type: ignore[arg-type]


def _others() -> Iterator[Preset]:
    """Met, but for their formats not looked at; and what is not computed here."""
    yield Preset("dd101bb/latent-tts-codi", family="latenttts-codi", passes=6, about="An earlier name of ModalityDance/latent-tts-codi.")
    yield Preset("dd101bb/latent-tts-coconut", family="latenttts-coconut", passes=6)
    yield replace(_COCONUT, hub_id="Esther22/coconut_Reproduction", passes=None)
    yield replace(_GPT2, hub_id="simon-pltk/codi-gpt2-prontoqa-latent", passes=5, about="5 latents, by its codi_config.json.")
    unseen = "Its format was not looked at."
    yield Preset("GregaSustar/codi", about=f"A .pt and a config.yaml. {unseen}")
    yield Preset("ASSERT-KTH/codi-trace", about=f"1.5B and 3B. {unseen}")
    yield Preset("syvb/gpt-2-latent-reasoning", base="gpt2-large", about=f"Like Coconut, with tokens of its own. {unseen}")
    jacobi = "a PCCoT model, which refines all its latents together several times (Jacobi iterations), not one after another"
    yield Preset("whyNLP/pccot-gpt2", refused=jacobi)
    yield Preset("whyNLP/pccot-llama1b", refused=jacobi)
    yield Preset("ModalityDance/latent-tts-colar", refused="a CoLaR model, which samples latents of a distribution")
    yield Preset("ModalityDance/latent-tts-rm", refused="a reward model, which writes no answers")


KNOWN: dict[str, Preset] = {preset.hub_id: preset for preset in (*_others(), *_dilgren(), *PRESETS.values()) if preset.hub_id is not None}
"""By hub id, all of them; `PRESETS` gives some of them short names."""


def known(name: str) -> Preset:
    """What is known of a model by the name that a person gave: a preset's or a hub id. Of another file of a known repository that is what
    is known of the first, but for its accuracy.
    """
    if name in PRESETS or name in KNOWN:
        return PRESETS.get(name) or KNOWN[name]
    repository = name.partition(":")[0]
    sibling = next((preset for hub_id, preset in KNOWN.items() if hub_id.partition(":")[0] == repository), None)
    return replace(sibling, hub_id=name, published=(), about="") if sibling else Preset()


def check_shipped(name: str, folder: Path) -> None:
    """Raises CheckpointError for a file of a shipped model that is not as it shipped. Of a model without hashes nothing is known."""
    for file, expected in read_json_object(SHIPPED).get(name, {}).items():
        found = sha256_of(folder / file) if (folder / file).is_file() else "no file"
        if found != expected:
            raise CheckpointError(
                f"{folder / file} is not the file that ships (SHA-256 {found:.12}, expected {expected:.12}): restore it from the "
                f"repository, or install the package again. If '{name}' was trained anew, python -m benchmarks.hashes makes it known."
            )


def known_bases() -> list[str]:
    return sorted(path.stem for path in BASES_DIR.glob("*.json"))


def base_on_hub(base: str) -> str | None:
    """Hub id of a known base, by its name with or without its owner; None for another one."""
    name = base.rpartition("/")[2]
    owner = next((owner for beginning, owner in _OWNERS.items() if name.startswith(beginning)), None)
    return f"{owner}/{name}" if owner and name in known_bases() else None


def base_config(base: str) -> dict[str, Any]:
    """Config of a base model from a folder, or by name (``bases/``), with its owner on the hub or without.

    Raises ModelError naming both ways.
    """
    name = base.rpartition("/")[2]
    known = name in known_bases() and not Path(base).expanduser().is_dir()
    path = BASES_DIR / f"{name}.json" if known else Path(base).expanduser() / "config.json"
    if not path.is_file():
        raise ModelError(f"Base '{base}' is neither a known base ({', '.join(known_bases())}) nor a folder with a config.json.")
    return read_json_object(path)


def read_json_object(path: Path) -> dict[str, Any]:
    """Raises ModelError when the file is not a JSON object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if path.is_file():
            check_content(path, is_json=True)
        raise ModelError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds {type(value).__name__}, expected a JSON object.")
    return value
