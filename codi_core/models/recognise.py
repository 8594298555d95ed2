"""Which family a checkpoint is of: by its names, its tokens and the number of added rows, never by position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codi_core.errors import CheckpointError, ModelError
from codi_core.models.families import FAMILIES, Family
from codi_core.models.names import Sorted
from codi_core.models.rows import Rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def named_family(name: str, checkpoint: Sorted) -> Family:
    """The family a person named. Raises ModelError for a name without a row, CheckpointError when the file's names are of another one."""
    if name not in FAMILIES:
        raise ModelError(f"Unknown family '{name}': use {', '.join(FAMILIES)}.")
    if not _fits(FAMILIES[name], checkpoint):
        fitting = [family.name for family in FAMILIES.values() if _fits(family, checkpoint)]
        raise CheckpointError(f"{_names(checkpoint)}, which {FAMILIES[name].label} does not write: use --family {' or '.join(fitting)}.")
    return FAMILIES[name]


def family_of(checkpoint: Sorted, tokenizer: PreTrainedTokenizerFast, rows: Rows, config: dict[str, Any]) -> Family:
    """The family whose prefixes fit, told from its relatives by the tokens the tokenizer names, else by how many rows were added.

    Raises CheckpointError when none fits.
    """
    fitting = [family for family in FAMILIES.values() if _fits(family, checkpoint)]
    if not fitting:
        raise CheckpointError(f"{_names(checkpoint)}: no known family writes both.")
    known = tokenizer.get_vocab()
    spelled = [family for family in fitting if _spells(known, family)]
    if spelled:
        return spelled[0]
    if not _has_latents(checkpoint, config):
        raise CheckpointError(
            f"{checkpoint.path.name} is a plain language model: it has no projection, no prefix of a latent-reasoning family "
            "and its tokenizer names no latent tokens, so nothing says where "
            "thoughts are fed back. If you know better, name the family with --family."
        )
    added = rows.added(tokenizer, fitting[0])
    return next((family for family in fitting if len(family.added) == added), fitting[0])


def _names(checkpoint: Sorted) -> str:
    parts = [f"{prefix}*" for prefix in (checkpoint.body_prefix, checkpoint.projection_prefix) if prefix]
    return f"{checkpoint.path.name} holds {' and '.join(parts) or 'names without a prefix'}"


def _fits(family: Family, checkpoint: Sorted) -> bool:
    if checkpoint.body_prefix not in family.bodies:
        return False
    if checkpoint.projection_prefix:
        return family.projection == checkpoint.projection_prefix
    return family.feeds_back and (bool(checkpoint.body_prefix) or not family.projection)


def _spells(known: dict[str, int], family: Family) -> bool:
    return all(family.name_of(role) in known for role in ("bot", "eot"))


def _has_latents(checkpoint: Sorted, config: dict[str, Any]) -> bool:
    own_class = any(str(name).upper().startswith(("COCONUT", "CODI")) for name in config.get("architectures") or [])
    return bool(checkpoint.body_prefix or checkpoint.projection_prefix or own_class)
