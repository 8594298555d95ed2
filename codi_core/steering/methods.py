"""The table of methods: every way to push a rollout. A new one is one file that brings what `contract.Method` asks for, and a row here."""

from __future__ import annotations

from collections.abc import Sequence

from codi_core.steering.contract import Method
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.replacement import Replacement
from codi_core.steering.token import TokenEdit

__all__ = ["METHODS", "Method", "all_zero"]

METHODS: dict[str, type[Method]] = {Hidden.kind: Hidden, KV.kind: KV, Replacement.kind: Replacement, TokenEdit.kind: TokenEdit}


def all_zero(methods: Sequence[Method]) -> bool:
    """Whether this is the baseline."""
    return all(coefficient == 0 for method in methods for coefficient in method.coefficients.values())
