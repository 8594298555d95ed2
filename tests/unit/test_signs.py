"""Numbers with a sign: a true minus, and never minus nothing."""

from __future__ import annotations

import pytest

from codi_core.cli.session import changed
from codi_core.figures.text import bracketed
from codi_core.values.signs import decimal
from codi_core.values.sweep import signed
from codi_core.values.verdict import points


@pytest.mark.parametrize("nothing", [0.0, -0.0, -1e-9])
def test_nothing_is_not_below_nothing(nothing: float) -> None:
    said = (
        decimal(nothing, "+.2f"),
        decimal(nothing, "+.1%"),
        bracketed(nothing, nothing, nothing, "+.3f"),
        changed(nothing, nothing, nothing),
    )
    for text in (*said, points(nothing), signed(-0.0)):
        assert "-" not in text and "−" not in text, text
    assert (decimal(nothing, "+.2f"), decimal(nothing, ".2f")) == ("+0.00", "0.00"), "one sign for nothing, whichever side was rounded"


def test_a_difference_is_told_in_points_with_its_interval() -> None:
    assert changed(-0.125, -0.2, -0.00001) == "−12.5 points [−20.0, −0.001]"
    assert bracketed(-0.125, -0.2, 0.05, "+.3f") == "−0.125 [−0.200, +0.050]"
    assert signed(-0.5) == "−0.5"
