"""Maps of patches and panels of attention: colours end, numbers do not; tables and exports hold what was measured."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from codi_core.figures.influence import (
    SHARE_NAMES,
    attention_panel,
    attention_table,
    edges_table,
    graph_panel,
    key_order,
    mass_panel,
    numbers_table,
    summary_table,
)
from codi_core.figures.patching import effect_words, map_table, recovery_panel
from codi_core.values.influence import OPERAND, SHARES, Graph, Influence, Maps, by_role
from codi_core.values.patching import PatchEffect, PatchMap, PatchMapSpec, place_of
from codi_core.values.stats import Estimates

SPEC = PatchMapSpec("m", (), None, 2, "denoising", "source", 1, 4)


def patch_map() -> PatchMap:
    value = np.array([[np.nan, -3.0], [0.25, 1.5]], np.float32)
    follows = np.broadcast_to(np.array([0.5, 0.25, 0.25], np.float32)[:, None, None], (3, 2, 2))
    norm = np.where(np.isnan(value), np.nan, 1).astype(np.float32)
    return PatchMap(
        spec=SPEC,
        pairs=(("a", "b"), ("c", "d")),
        answers=(("1", "2"), ("3", "4")),
        left_out=1,
        done=2,
        recovery=Estimates(value, value - 0.1, value + 0.1, 1),
        each=np.stack([value, np.full_like(value, np.nan)]),
        follows=follows,
        dlog_p=np.zeros((2, 2, 2), np.float32),
        norm=norm,
    )


def test_colours_of_a_map_end_where_its_numbers_do_not() -> None:
    panel = recovery_panel(patch_map(), "Clean into corrupt")
    assert [panel.cells[i][d].text for i, d in ((0, 0), (0, 1), (1, 0), (1, 1))] == ["·", "−3.00", "0.25", "1.50"]
    assert panel.painted.level[0, 1] == 0 and panel.painted.level[1, 1] == 1 and panel.painted.level[1, 0] == pytest.approx(0.625)
    table = map_table(patch_map())
    assert table["recovery"].tolist() == [-3.0, 0.25, 1.5] and set(table["pairs"]) == {1}


def test_pairs_with_one_answer_are_coloured_by_what_changed() -> None:
    panel = recovery_panel(replace(patch_map(), spec=replace(SPEC, donor="same")), "Same answer")
    assert panel.painted.title == "Answers changed" and panel.cells[1][1].text == "75.0 %"


def test_an_effect_in_words() -> None:
    effect = PatchEffect(None, 0.0, 0.5, 0.0, (1.0, -2.0), "24", "target", True, float("nan"))
    assert "R undefined" in effect_words(effect) and "bit for bit" in effect_words(effect)
    assert "R = +0.50" in effect_words(replace(effect, recovery=0.5))


def test_places_are_written_as_they_are_read() -> None:
    for text in ("3.4", "3", "0-3", "kv2", "kv0-6"):
        assert str(place_of(text, 6)) == text
    assert str(place_of("z2", 6)) == "3.0"


def influence() -> Influence:
    rng = np.random.default_rng(0)
    attention = np.tril(np.ones((4, 7)), 3)[None, None] * rng.random((2, 2, 4, 7))
    attention[..., 3, 6] = 0.1
    attention /= attention.sum(-1, keepdims=True)
    total = np.full((3, 2, 2), np.nan, np.float32)
    total[:, 0, 1] = (1, 2, 3)
    graph = Graph("zero", total, np.zeros(2, np.float32), np.full((3, 3), np.nan, np.float32), np.zeros(3, np.float32), 0.0)
    shares = attention.astype(np.float32)
    maps = Maps(shares, shares * rng.random((2, 2, 4, 7)).astype(np.float32), shares[0, 0])
    return Influence("k", "q", "7", ("<s>", "2", "?"), (1,), 2, maps, replace(maps, attention=shares[::-1]), graph, 1.0)


def test_attention_shows_slots_first_and_every_key_once() -> None:
    found = influence()
    order = key_order(found)
    panel = attention_panel(found, None, None)
    assert sorted(order) == list(range(7)) and order[:3] == (3, 4, 5)
    for query in range(4):
        for row, key in enumerate(order):
            assert panel.painted.values[query, row] == found.mean[query, key]
    assert panel.cells[0][order.index(1)].mark == "op" and "not there yet" in panel.cells[0][order.index(5)].facts


def test_mass_by_role_is_all_of_it() -> None:
    found = influence()
    for layer, head in ((None, None), (1, 0)):
        mass, uniform = found.mass("attention", layer, head)
        np.testing.assert_allclose(mass.sum(1), 1, rtol=1e-5)
        np.testing.assert_allclose(uniform.sum(1), 1, rtol=1e-5)
    assert mass_panel(mass, uniform, "Mass").shape == (4, 6)
    own, _ = by_role(np.arange(7, dtype=np.float32), 3, (1,), 3, 2)
    assert own.tolist() == [0, 1, 2, 3, 4, 5]


def test_three_maps_stand_beside_each_other() -> None:
    found = influence()
    table = attention_table(found)
    assert set(SHARE_NAMES.values()) <= set(table) and len(table) == int((found.mean > 0).sum())
    panels = {share: attention_panel(found, 1, None, share) for share in SHARES}
    assert len({panel.name for panel in panels.values()}) == 3
    order = list(key_order(found))
    for share, panel in panels.items():
        assert np.array_equal(panel.painted.values, found.maps.of(share, 1, None)[:, order])
    np.testing.assert_allclose(table.groupby("query")[list(SHARE_NAMES.values())].sum(), 1, rtol=1e-5)


def test_numbers_stand_beside_their_baselines() -> None:
    found = influence()
    for layer, share in ((None, "attention"), (0, "attention"), (1, "value-weighted")):
        table = numbers_table(found, layer, None, share)  # type: ignore[arg-type]
        assert table["numbers of the question"].tolist() == found.mass(share, layer)[0][:, OPERAND].tolist()  # type: ignore[arg-type]
    copy = numbers_table(found, 0)["its numbers in another order"]
    assert copy.tolist() == found.mass("attention", 1)[0][:, OPERAND].tolist(), "the copy's layers were turned round"


def test_the_graph_leaves_out_what_has_no_edge() -> None:
    found = influence()
    panel = graph_panel(found.graph.total[0], "kl")
    assert panel.shape == (1, 1) and panel.columns == ("z(0)",) and panel.rows == ("z(1)",)
    assert edges_table(found)["value"].tolist() == [1, 2, 3]
    rows = summary_table(found).to_dict(orient="records")
    assert json.dumps(rows, allow_nan=False) and len(rows) == 12
