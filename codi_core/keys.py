"""Canonical JSON and its SHA-256: the identity of specs, artifacts and numbers on screen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Spec = TypeVar("Spec")

ADDED_LATER = {"added later": True}
"""Metadata of a spec's field that came after keys were stored: it is left out while it holds its default, so that those keys stay."""


def canonical(value: Any) -> Any:
    """Plain JSON data for a spec: dataclasses become objects with their ``kind``, tuples become lists.

    Raises TypeError for anything whose identity is not its content (arrays, tensors, sets, NaN).
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [f for f in dataclasses.fields(value) if f.metadata != ADDED_LATER or getattr(value, f.name) != f.default]
        fields = {f.name: canonical(getattr(value, f.name)) for f in shown}
        kind = getattr(value, "kind", None)
        if not isinstance(kind, str):
            raise TypeError(f"{type(value).__name__} has no `kind`: two specs with equal fields would collide")
        return {**fields, "kind": kind}
    if isinstance(value, dict):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [canonical(v) for v in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError("a spec cannot hold a number that is not finite")
        return value + 0.0  # -0.0 and 0.0 are one coefficient
    raise TypeError(f"{type(value).__name__} cannot be part of a spec")


def from_canonical(spec: type[Spec], data: Mapping[str, Any]) -> Spec:
    """The inverse of `canonical`, of what is stored. Raises TypeError for fields the spec does not know, or lacks."""
    hints = get_type_hints(spec)
    return spec(**{name: _restored(hints.get(name), value) for name, value in data.items() if name != "kind"})


def _restored(hint: Any, value: Any) -> Any:
    parts = get_args(hint)
    if isinstance(value, list) and get_origin(hint) is tuple:
        return tuple(
            _restored(part, item) for part, item in zip([parts[0]] * len(value) if parts[-1] is ... else parts, value, strict=True)
        )
    if isinstance(value, dict):
        kinds = [kind for kind in (parts or (hint,)) if getattr(kind, "kind", None) == value.get("kind")]
        return from_canonical(kinds[0], value) if kinds else value
    return value


def canonical_json(value: Any) -> str:
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def key_of(value: Any, length: int = 16) -> str:
    """Stable key of a spec: the first ``length`` hex digits of the SHA-256 of its canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
