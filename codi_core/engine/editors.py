"""The engine's one seam: an editor declares the sites it touches and maps a tensor to a tensor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from codi_core.errors import InterventionError

if TYPE_CHECKING:
    from torch import Tensor

Point = Literal["z", "h", "resid", "k", "v"]


@dataclass(frozen=True)
class Site:
    """A place in a rollout. What an edit of it reaches:

    * ``h``: the post-norm hidden state of pass ``index``, before the projection; reaches z and all later passes.
    * ``z``: the projected latent; the input of pass ``index + 1``.
    * ``resid``: the residual stream at depth ``layer`` (1..L = after that block) during pass ``index``; reaches everything above,
      later layers' keys and values of this slot included.
    * ``k``, ``v``: the cache slot of pass ``index`` at ``layer`` (0..L-1), after the pass has run; reaches later passes and the answer.
    """

    point: Point
    index: int
    layer: int | None = None
    """None for z and h."""


class Editor(Protocol):
    """An intervention during one call. ``edit`` returns the new value and leaves the one it was given alone."""

    @property
    def sites(self) -> tuple[Site, ...]: ...

    def edit(self, site: Site, value: Tensor) -> Tensor:
        """Value ``[row d_model]`` at z, h and resid, ``[row kv_head d_head]`` at k and v; the result has the same shape."""


def edits_by_site(editors: Sequence[Editor], passes: int, n_layers: int) -> dict[Site, list[Editor]]:
    """Editors of every site, in the order given. Raises InterventionError for a site that does not exist in this rollout."""
    by_site: dict[Site, list[Editor]] = {}
    for editor in editors:
        for site in editor.sites:
            _check(site, passes, n_layers)
            by_site.setdefault(site, []).append(editor)
    return by_site


def _check(site: Site, passes: int, n_layers: int) -> None:
    if not 0 <= site.index <= passes:
        raise InterventionError(f"Index {site.index} is outside this rollout: it has indices 0 to {passes}.")
    if site.point in ("z", "h"):
        if site.layer is not None:
            raise InterventionError(f"Site {site.point} has no layers, but layer {site.layer} was given.")
        return
    first, last = (1, n_layers) if site.point == "resid" else (0, n_layers - 1)
    if site.layer is None or not first <= site.layer <= last:
        raise InterventionError(f"Site {site.point} needs a layer from {first} to {last}, got {site.layer}.")


def edited(editors: Iterable[Editor], site: Site, value: Tensor) -> Tensor:
    """``value`` through every editor of its site. Raises InterventionError when one returns another shape."""
    for editor in editors:
        new = editor.edit(site, value)
        if new.shape != value.shape:
            raise InterventionError(f"An editor at {site} returned shape {tuple(new.shape)}, expected {tuple(value.shape)}.")
        value = new.to(value.dtype)
    return value
