"""Every kind of lens by name. A new one is one file and one row of LENSES: menus, command line, services and tests read the rows.

Torch is imported when a row's functions are called, not by their names: ``--help`` lists the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from codi_core.errors import LensError
from codi_core.values.lens import LensCard, LensOption

if TYPE_CHECKING:
    from codi_core.lenses.base import Lens
    from codi_core.models.model import CodiModel
    from codi_core.settings import Settings

    Load = Callable[[CodiModel, str, Settings], Lens]
    Variants = Callable[[CodiModel, Settings], dict[str, LensCard | None]]


@dataclass(frozen=True)
class LensKind:
    """A row of LENSES."""

    label: str
    """On the screen."""
    about: str
    """How to read it, in one sentence."""
    load: Load
    """Model, variant, settings → the lens, whose name is ``kind`` or ``kind:variant``. Raises LensError when there is no such variant or it
    does not fit the model."""
    variants: Variants | None = None
    """Variants that fit a model, in the order of the menus, each with its card when it was trained. None: the kind has no variants."""
    command: str = ""
    """Command that makes a variant, without the model; empty for a kind that needs no training."""
    constant: bool = False
    """Whether `Lens.transform` adds a constant. It cancels in a difference of residuals, so adding it there is a choice to offer."""


def in_file(file: str, function: str) -> Callable[..., Any]:
    """A function of ``codi_core/lenses/<file>.py``, imported when it is called. The contract tests call every one."""
    return lambda *args: getattr(import_module(f"codi_core.lenses.{file}"), function)(*args)


DEFAULT_LENS = "logit"
"""Where nothing was chosen. It fits every model."""

LENSES: dict[str, LensKind] = {
    "logit": LensKind(
        "Logit",
        "Early layers are usually unreadable: the logit lens reads every depth as if it were the last.",
        load=in_file("logit", "load_logit"),
    ),
    "tuned": LensKind(
        "Tuned",
        "The tuned lens moves every depth to where the output would be, by a linear map learnt from many latents, and then reads it.",
        load=in_file("tuned", "load_tuned"),
        variants=in_file("tuned", "tuned_variants"),
        command="train-lens --indices all",
        constant=True,
    ),
    "jlens": LensKind(
        "Jacobian",
        "The J-lens moves every depth by the mean derivative of what it leads to: this latent (local), the next one, the answer, or text.",
        load=in_file("jacobian", "load_jacobian"),
        variants=in_file("jacobian", "jacobian_variants"),
        command="train-jlens --variant answer",
    ),
}
"""By kind, in the order of the menus."""


def kind_of(name: str) -> LensKind:
    """The row that a lens' name belongs to. Raises LensError for an unknown kind."""
    kind = name.partition(":")[0]
    if kind not in LENSES:
        raise LensError(f"Unknown lens '{name}': kinds are {', '.join(LENSES)}.")
    return LENSES[kind]


def load_lens(model: CodiModel, name: str, settings: Settings) -> Lens:
    """Raises LensError when there is no such lens or it does not fit the model."""
    row, (kind, _, variant) = kind_of(name), name.partition(":")
    if row.variants is None and name != kind:
        raise LensError(f"Unknown lens '{name}': the {kind} lens has no variants, its name is '{kind}'.")
    return row.load(model, variant, settings)


def lens_options(model: CodiModel, settings: Settings) -> tuple[LensOption, ...]:
    """Every lens that fits a model, the kinds in the order of LENSES."""
    return tuple(
        LensOption(f"{kind}:{variant}" if variant else kind, row.label, row.about, card, row.constant)
        for kind, row in LENSES.items()
        for variant, card in (row.variants(model, settings) if row.variants else {"": None}).items()
    )
