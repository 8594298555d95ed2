"""Charts that leave a page: their own title and condition, and a table of every point."""

from __future__ import annotations

import numpy as np

from codi_core.figures.lens import trajectories
from codi_core.figures.stand_alone import stand_alone, traces_table


def test_a_chart_leaves_with_its_condition_and_the_one_on_the_page_stays() -> None:
    figure = trajectories(np.arange(6.0).reshape(2, 3), "Entropy", 1, 2)
    notes = len(figure.layout.annotations)
    made = stand_alone(figure, "<b>", "key 1234")
    assert (len(figure.layout.annotations), figure.layout.title.text) == (notes, None)
    assert made.layout.title.text == "&lt;b&gt;"
    assert any(note.text == "key 1234" for note in made.layout.annotations)


def test_the_table_has_every_point() -> None:
    values = np.arange(6.0).reshape(2, 3)
    table = traces_table(trajectories(values, "Entropy", 1, 2))
    assert set(table["x_axis"]) == {"Layer", "Index"}
    over_layers = table[table["x_axis"] == "Layer"]
    assert len(over_layers) == values.size
    assert over_layers[over_layers["series"] == "z1"]["y"].tolist() == [3.0, 4.0, 5.0]


def test_what_made_a_chart_is_wrapped_and_the_chart_grows_by_its_lines() -> None:
    figure = trajectories(np.arange(6.0).reshape(2, 3), "Entropy", 1, 2)
    one, long = (stand_alone(figure, "a", text) for text in ("key", "word " * 120))
    lines = long.layout.annotations[-1].text.split("<br>")
    assert len(lines) > 2 and max(map(len, lines)) < 200
    assert long.layout.height - one.layout.height == long.layout.margin.b - one.layout.margin.b > 0
