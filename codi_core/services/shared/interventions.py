"""What screens and commands may know of steering, its methods, sources and sweeps."""

from codi_core.steering.contract import DOSES, Method, Variant
from codi_core.steering.flags import Field, complete, fields_of, flags_of, method_of, methods_of, source_of, text_of
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.limits import MAX_COEFFICIENT, check_coefficient
from codi_core.steering.methods import METHODS, all_zero
from codi_core.steering.options import Counts, Option
from codi_core.steering.presets import PRESETS, Preset
from codi_core.steering.replacement import By
from codi_core.steering.vectors import SOURCES, Difference, Sign, Source, VectorSpace
from codi_core.sweeps.presets import SWEEPS, SweepPreset, variants
from codi_core.sweeps.spec import CellId, cell_id_of

__all__ = [
    "DOSES",
    "KV",
    "MAX_COEFFICIENT",
    "METHODS",
    "PRESETS",
    "SOURCES",
    "SWEEPS",
    "By",
    "CellId",
    "Counts",
    "Difference",
    "Field",
    "Hidden",
    "Method",
    "Option",
    "Preset",
    "Sign",
    "Source",
    "SweepPreset",
    "Variant",
    "VectorSpace",
    "all_zero",
    "cell_id_of",
    "check_coefficient",
    "complete",
    "fields_of",
    "flags_of",
    "method_of",
    "methods_of",
    "source_of",
    "text_of",
    "variants",
]
