"""Answers in words: gold tokens, outcomes, evaluation, steering, sweeps and detection on our set of names, and on files."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codi_core import cli
from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.evaluation.golds import answered, gold_of
from codi_core.evaluation.outcomes import outcome_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.evaluate import EvalRequest, evaluate
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.workbench import Workbench
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Answer, AnswerRule, Question


def question(gold: Answer, rule: AnswerRule) -> Question:
    return Question("1", "Which?", gold, "", (), (), rule)


@pytest.mark.parametrize(
    ("gold", "rule", "deciding"),
    [
        ("Anna", "text", "Anna"),
        ("B", "letter", "B"),
        ("True", "true-false", "True"),
        ("Tom is a lempus.", "is-a", "lempus."),
        ("18", "hash", "18"),
    ],
)
def test_the_margin_is_measured_where_right_and_wrong_part(engine: Engine, gold: str, rule: AnswerRule, deciding: str) -> None:
    model = engine.model
    found = gold_of(model, question(gold, rule))
    text = ("### " if rule == "hash" else model.lead) + gold
    assert model.tokenizer.decode(list(found.ids)) == text
    before, upto = (len(model.tokenizer.decode(list(found.ids[: found.at + more]))) for more in (0, 1))
    assert before <= len(text) - len(deciding) < upto


def test_a_number_is_written_as_before(engine: Engine) -> None:
    model = engine.model
    found = gold_of(model, question(18.0, "number"))
    assert model.tokenizer.decode(list(found.ids)).endswith("18") and any(map(str.isdigit, model.token_text(found.ids[found.at])))
    assert gold_of(model, question(float("nan"), "number")).ids == (model.ids.eos,)


def run(folder: str, cache: Path, *argv: str) -> Any:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = cli.main([*argv, "--model", folder, "--device", "cpu", "--dtype", "float32", "--cache-dir", str(cache), "--json"])
    assert code == 0
    return json.loads(out.getvalue())


WORDS = ("--eval-set", "who-has-more", "--n", "12")
MEANS = ("--means-n", "20")
KV = "kv source=difference a=1 b=2 coefficient=1 indices=1"


def test_words_are_evaluated_steered_swept_and_detected(folder: str, tmp_path: Path) -> None:
    plain = run(folder, tmp_path, "eval", *WORDS, "--passes", "3")
    assert (plain["n"], sum(plain["outcomes"].values())) == (12, 12)
    assert plain["grouping"] == "by template (5)"
    effect = run(folder, tmp_path, "eval", *WORDS, "--passes", "3", "--condition", KV, *MEANS)
    assert effect["done"] == 12 and effect["baseline"]["value"] == plain["accuracy"]
    still = run(folder, tmp_path, "eval", *WORDS, "--passes", "3", "--condition", KV.replace("coefficient=1", "coefficient=0"), *MEANS)
    assert still["identical"]
    detected = run(folder, tmp_path, "detect", *WORDS, "--passes", "3")
    assert detected
    swept = run(
        folder,
        tmp_path,
        "sweep",
        *WORDS,
        "--passes",
        "3",
        "--preset",
        "corrected-kv",
        "--randoms",
        "0",
        "--shuffled",
        "0",
        *MEANS,
        "--only",
        "kv-corrected:1:2:3:0.5",
    )
    assert swept


def test_an_answer_in_words_is_right_when_the_model_gives_it(folder: str, workbench: Workbench, tmp_path: Path) -> None:
    """Questions whose gold answers are what the model answers, read from a file: all right; with others, none."""
    engine = workbench.engine(folder)
    asked = ["Who has more?", "What is red?", "Is it true?"]
    answers = [rollout.answer.strip() or "nothing" for rollout in engine.rollout(asked, RolloutConfig(3, 32), record=False)]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps({"question": text, "answer": answer}) for text, answer in zip(asked, answers, strict=True)))
    report = evaluate(workbench, EvalRequest(folder, f"{path}?rule=text", passes=3))
    finished = np.array([row.outcome != "truncated" for row in report.run.rows])
    readable = np.array([row.given is not None for row in report.run.rows])
    assert report.run.correct.tolist() == (finished & readable).tolist()
    again = evaluate(workbench, EvalRequest(folder, f"{path}?rule=text", passes=3))
    assert again.run == report.run  # the stored rows are the same rows


def test_rows_stored_before_answers_could_be_words_are_still_read() -> None:
    from codi_core.services.evaluate import _row_from

    row = _row_from(
        {"id": "1", "template": "t", "triple": "1 2", "steps": 2, "gold": 7.0, "answer": "7", "number": 7.0, "outcome": "correct"}
    )
    assert (row.given, row.gold, row.triple, row.groups) == (7.0, 7.0, (1, 2), ())


def test_a_prompt_that_is_answered_by_a_name_is_known_by_its_text(folder: str, workbench: Workbench) -> None:
    asked = load_eval_set("who-has-more", 1)[1][0]
    found = inspect(workbench, InspectRequest(folder, asked.question, passes=2), "test")
    assert found.problem == asked and found.relations[str(asked.gold)] == "answer"
    assert found.outcome == outcome_of(found.rollout.answer, found.rollout.finished, asked)


def test_what_is_followed_of_one_prompt_is_a_number_or_words(engine: Engine) -> None:
    rollout = engine.rollout(["Who has more?"], RolloutConfig(1, 4), record=False)[0]
    assert answered("Who?", replace(rollout, answer="18", number=18.0)).gold == 18.0
    words = answered("Who?", replace(rollout, answer="The answer is: Tom.", number=None))
    assert (words.gold, words.rule) == ("Tom", "text")
    with pytest.raises(InputError, match="nothing to follow"):
        answered("Who?", replace(rollout, answer="  ", number=None))
