"""Hooks that record and edit the residual stream. They live inside one call and are removed whatever happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from codi_core.engine.editors import Editor, Site, edited
from codi_core.models.model import CodiModel


class ResidualHooks:
    """While entered: edits ``resid`` sites and, into ``resid`` if given, records every depth of the one-token pass ``index``."""

    def __init__(self, model: CodiModel, editors: Mapping[Site, Sequence[Editor]], resid: Tensor | None, first: int) -> None:
        self.model = model
        self.editors = {site: found for site, found in editors.items() if site.point == "resid"}
        self.resid = resid
        """``[row index depth d_model]``, filled as passes run; values after edits."""
        self.first = first
        """Pass whose residuals come first in ``resid``."""
        self.index = first
        self.handles: list[RemovableHandle] = []

    def __enter__(self) -> ResidualHooks:
        blocks = self.model.blocks
        edited_layers = {site.layer for site in self.editors}
        if self.resid is not None:
            self.handles.append(blocks[0].register_forward_pre_hook(self._on_embeddings))
        for layer, block in enumerate(blocks, start=1):
            if self.resid is not None or layer in edited_layers:
                self.handles.append(block.register_forward_hook(self._hook_of(layer)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()

    def _on_embeddings(self, block: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._record(0, inputs[0])

    def _hook_of(self, depth: int) -> Any:
        def on_output(block: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
            site = Site("resid", self.index, depth)
            editors = self.editors.get(site)
            if editors is None:
                self._record(depth, output)
                return None
            output = edited(editors, site, output[:, -1])[:, None]
            self._record(depth, output)
            return output

        return on_output

    def _record(self, depth: int, value: Tensor) -> None:
        """``value`` ``[row 1 d_model]``"""
        if self.resid is not None:
            self.resid[:, self.index - self.first, depth] = value[:, -1]


class Recording:
    """While entered, keeps the residual stream of one forward pass at every depth: tensors ``[row token d_model]``."""

    def __init__(self, blocks: nn.ModuleList) -> None:
        self.blocks = blocks
        self.depths: list[Tensor] = []

    def __enter__(self) -> Recording:
        self.handles = [self.blocks[0].register_forward_pre_hook(lambda block, inputs: self.depths.append(inputs[0]))]
        self.handles += [block.register_forward_hook(self._keep) for block in self.blocks]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _keep(self, block: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        self.depths.append(output)
