"""What holds for every lens, and the read-outs against the plainest computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.figures.text import tracked_name
from codi_core.lenses import readout
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.readout import lens_grid, read_lens
from codi_core.lenses.relations import relations
from codi_core.lenses.tracked import track
from codi_core.models.model import CodiModel
from codi_core.problems.evalsets import as_question
from codi_core.problems.generate import seed_prompt
from codi_core.values.lens import TrackedToken
from codi_core.values.model import Rollout, RolloutConfig
from tests.checkpoints import load, tensors_of, write

QUESTION = "A team starts with 3 members. They recruit 5 new members. How many people are there now?"
INDEX = torch.arange(7)


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CodiModel:
    family = request.param
    return load(write(tmp_path_factory.mktemp("lenses") / family, tensors_of(family, lora=False, head="own"), family))


@pytest.fixture(scope="module")
def rollout(model: CodiModel) -> Rollout:
    return Engine(model).rollout([QUESTION], RolloutConfig())[0]


def test_the_last_depth_is_the_models_own_output(model: CodiModel, rollout: Rollout) -> None:
    logits = model.lm_head(torch.from_numpy(rollout.h))  # h is what the model itself puts into its head
    read = LogitLens().logits(model, torch.from_numpy(rollout.resid), INDEX)
    torch.testing.assert_close(read[:, -1], logits, atol=1e-5, rtol=1e-5)
    grid = lens_grid(model, LogitLens(), rollout.resid)
    np.testing.assert_array_equal(grid.top_ids[:, -1, 0], logits.argmax(-1).numpy())
    assert (grid.kl[:, -1] == 0).all() and (grid.kl[:, :-1] > 0).all()


def test_a_grid_holds_what_the_plain_formulas_give(model: CodiModel, rollout: Rollout) -> None:
    tracked = (5, 17, 300)
    grid = lens_grid(model, LogitLens(), rollout.resid, tracked, top_k=4)
    for index in (0, 3):
        output = torch.softmax(model.unembed(torch.from_numpy(rollout.resid[index, -1])).double(), -1)
        for depth in range(model.n_layers + 1):
            probs = torch.softmax(model.unembed(torch.from_numpy(rollout.resid[index, depth])).double(), -1)
            order = probs.argsort(descending=True)
            assert grid.top_ids[index, depth].tolist() == order[:4].tolist()
            np.testing.assert_allclose(grid.top_probs[index, depth], probs[order[:4]], rtol=1e-4)
            np.testing.assert_allclose(grid.entropy[index, depth], -(probs * probs.log()).sum(), rtol=1e-4)
            np.testing.assert_allclose(grid.kl[index, depth], (output * (output / probs).log()).sum(), rtol=1e-3, atol=1e-5)
            for m, token in enumerate(tracked):
                above, level = ((probs > probs[token] * (1 + sign * 1e-5)).sum() for sign in (1, -1))
                assert above + 1 <= grid.tracked_rank[index, depth, m] <= level, "but for ties within float32's rounding"
                np.testing.assert_allclose(grid.tracked_prob[index, depth, m], probs[token], rtol=1e-4)
    assert grid.top_tokens[0, 0, 0] == model.token_text(int(grid.top_ids[0, 0, 0]))


def test_chunks_change_nothing_and_rows_track_their_own_tokens(model: CodiModel, rollout: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    resid, tracked = torch.from_numpy(rollout.resid), torch.arange(14).view(7, 2) * 40
    whole = read_lens(model, LogitLens(), resid, INDEX, tracked)
    monkeypatch.setattr(readout, "CHUNK_BYTES", 1)
    calls: list[None] = []
    chunked = read_lens(model, LogitLens(), resid, INDEX, tracked, on_chunk=lambda: calls.append(None))
    assert len(calls) == 7
    torch.testing.assert_close(chunked.prob, whole.prob)
    torch.testing.assert_close(chunked.rank, whole.rank)
    assert whole.rank[3, 1, 1] == lens_grid(model, LogitLens(), rollout.resid, tracked[3].tolist()).tracked_rank[3, 1, 1]


def test_a_group_of_spellings_sums_its_probabilities_and_takes_its_best_rank(model: CodiModel, rollout: Rollout) -> None:
    grid = lens_grid(model, LogitLens(), rollout.resid, (5, 17, 300))
    group = TrackedToken("x", (17, 300), ("a", "b"), "")
    np.testing.assert_allclose(grid.prob_of(group), grid.tracked_prob[..., 1] + grid.tracked_prob[..., 2])
    np.testing.assert_array_equal(grid.rank_of(group), np.minimum(grid.tracked_rank[..., 1], grid.tracked_rank[..., 2]))


def test_tracked_texts_become_every_one_token_spelling(model: CodiModel) -> None:
    word = next(
        text
        for text in map(model.token_text, range(300, 600))
        if text.startswith(" ") and text.strip().isalpha() and len(track(model, text).ids) >= 1
    )
    found = track(model, word)
    assert not found.note and all(text.strip() == word.strip() for text in found.tokens)
    assert track(model, word.strip()).ids == found.ids
    assert track(model, "7.0").ids == track(model, "7").ids and track(model, "7").tokens[0].strip() == "7"
    assert track(model, "id:9").ids == (9,)
    assert track(model, "<|eocot|>").ids == (model.ids.eot,)


def test_what_is_no_single_token_is_tracked_by_its_first_and_says_so(model: CodiModel) -> None:
    found = track(model, "antidisestablishmentarianism")
    assert len(found.ids) == 1 and "antidisestablishmentarianism".startswith(found.tokens[0].strip())
    assert "only the first" in found.note and repr(found.tokens[0]) in found.note
    assert found.pieces > 1 and f"(1 of {found.pieces})" in tracked_name(found)


@pytest.mark.parametrize("text", ["", "x" * 101, "id:604608"])
def test_untrackable_texts_are_refused(model: CodiModel, text: str) -> None:
    with pytest.raises(InputError):
        track(model, text)


def test_numbers_that_mean_something_in_a_problem() -> None:
    problem = seed_prompt()  # 600, 30 %, 10 % → 40, 240, 360
    found = relations(problem.question, as_question(problem), ("41", "therefore"))
    expected = {"360": "answer", "40": "step 1", "240": "step 2", "600": "operand", "30": "operand", "41": "typed"}
    assert {number: found[number] for number in expected} == expected
    assert (found["720"], found["350"], found["480"], found["51"]) == ("2 × answer", "answer − 10", "2 × step 2", "typed + 10")
    assert found["80"] == "2 × step 1" and found["250"] == "step 2 + 10" and "therefore" not in found
    assert relations("1,200 and 3?", None) == {"1200": "operand", "3": "operand"}
