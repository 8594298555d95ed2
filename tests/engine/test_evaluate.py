"""Eval runs and donor swaps on tiny real checkpoints."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from codi_core.engine.answers import parse_number
from codi_core.engine.editors import Site
from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.errors import Cancelled, DataError, InputError
from codi_core.evaluation.donors import choose_donors, swap
from codi_core.evaluation.evals import run_eval
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.evaluate import EVALS, ROWS, EvalRequest, evaluate, stored_evals
from codi_core.services.shared import turns
from codi_core.services.shared.workbench import Workbench
from codi_core.store import save_parquet
from codi_core.values.evals import EvalRow, EvalSpec
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Question
from tests.checkpoints import tensors_of, write

CONFIG = RolloutConfig(passes=3, max_new_tokens=5)
QUESTIONS = load_eval_set("bundled", 8, 1)[1]
NEW_TOKENS = 8
"""Enough for random models to write a number now and then."""


class Put:
    """z of every pass becomes the given one."""

    def __init__(self, z: Tensor) -> None:
        self.z = z
        self.sites = tuple(Site("z", index) for index in range(len(z)))

    def edit(self, site: Site, value: Tensor) -> Tensor:
        return self.z[site.index][None]


class PutSlots:
    """Keys and values of slots 1..n become the given ones ``[index layer kv_head d_head]``."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.parts = {"k": keys, "v": values}
        self.sites = tuple(
            Site(point, index, layer) for point in ("k", "v") for index in range(1, len(keys)) for layer in range(keys.shape[1])
        )

    def edit(self, site: Site, value: Tensor) -> Tensor:
        return self.parts[site.point][site.index, site.layer][None]


def rows_of(questions: tuple[Question, ...]) -> list[EvalRow]:
    """Rows that all have numbers, whatever a random model answers."""
    return [EvalRow(q.id, q.template, q.triple, 0, q.gold, "", float(place), "wrong") for place, q in enumerate(questions)]


def test_rows_are_in_order_and_scored(llama: Engine) -> None:
    rows = run_eval(llama, QUESTIONS, CONFIG)
    alone = [llama.rollout([question.question], CONFIG)[0] for question in QUESTIONS]
    assert [(row.id, row.answer, row.gold) for row in rows] == [
        (question.id, rollout.answer, question.gold) for question, rollout in zip(QUESTIONS, alone, strict=True)
    ]
    expected = [replace(question, gold=row.given or 0.0) for question, row in zip(QUESTIONS, rows, strict=True)]
    for row in run_eval(llama, expected, CONFIG):
        assert row.outcome in ("truncated", "unparsed", "correct")


def test_cot_rows_take_the_number_after_the_chain(llama: Engine) -> None:
    rows = run_eval(llama, QUESTIONS, RolloutConfig(0, 40), "cot")
    assert [(row.answer, row.given) for row in rows] == [
        (chain.answer, chain.number) for chain in llama.cot([question.question for question in QUESTIONS], 40)
    ]


def test_donors_answer_differently_and_are_fixed_by_the_seed() -> None:
    rows = [replace(row, given=float(place % 3)) for place, row in enumerate(rows_of(QUESTIONS))]
    rows[0] = replace(rows[0], given=None, outcome="unparsed")
    rows[1] = replace(rows[1], outcome="truncated")
    pairs = choose_donors(rows, 4)
    assert [own for own, _ in pairs] == list(range(2, len(rows)))
    assert all(rows[own].given != rows[donor].given and donor >= 2 for own, donor in pairs)
    assert choose_donors(rows, 4) == pairs != choose_donors(rows, 5)
    assert choose_donors([replace(row, given=1.0) for row in rows]) == []


@pytest.mark.parametrize("patch", ["z", "kv"])
def test_ones_own_latents_change_nothing(engine: Engine, patch: str) -> None:
    pairs = [(place, place) for place in range(len(QUESTIONS))]
    rows = run_eval(engine, QUESTIONS, CONFIG)
    swapped = swap(engine, QUESTIONS, rows_of(QUESTIONS), pairs, patch, CONFIG)  # type: ignore[arg-type]
    assert [row.answered for row in swapped] == [row.given for row in rows]


def test_swapped_z_is_what_the_oracle_does_with_it(engine: Engine) -> None:
    config = RolloutConfig(3, NEW_TOKENS)
    pairs = [(place, (place + 3) % len(QUESTIONS)) for place in range(len(QUESTIONS))]
    answers = []
    for own, donor in pairs:
        z = oracle_rollout(engine.model, QUESTIONS[donor].question, config).z[: config.passes]
        ids = oracle_rollout(engine.model, QUESTIONS[own].question, config, [Put(z)]).answer_ids
        answers.append(parse_number(engine.model.decode(ids)))
    assert any(answers)
    assert [row.answered for row in swap(engine, QUESTIONS, rows_of(QUESTIONS), pairs, "z", config)] == answers


def test_swapped_slots_are_what_an_editor_does_with_them(engine: Engine) -> None:
    """Keys of a donor whose prompt is as long need no turning, so plain k and v edits must agree."""
    config = RolloutConfig(3, NEW_TOKENS)
    texts = [f"There are {x} members in a team. Add {y}." for x, y in ((3, 5), (8, 2), (6, 4))]
    questions = tuple(Question(text, text, 0.0, "", (), ()) for text in texts)
    assert len({len(engine.model.build_prompt(text)) for text in texts}) == 1
    pairs = [(0, 1), (1, 2), (2, 0)]
    answers = []
    for own, donor in pairs:
        source = engine.rollout([texts[donor]], config)[0]
        editor = PutSlots(torch.from_numpy(source.keys), torch.from_numpy(source.values))
        answers.append(engine.rollout([texts[own]], config, [editor])[0].number)
    assert any(answers)
    assert [row.answered for row in swap(engine, questions, rows_of(questions), pairs, "kv", config)] == answers


def test_the_second_time_is_read_not_computed(workbench: Workbench, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request = EvalRequest(folder, "bundled", 12, passes=2, swap_donor=True)
    first = evaluate(workbench, request)
    monkeypatch.setattr(Engine, "rollout", None)
    second = evaluate(workbench, request)
    assert second == first
    assert stored_evals(workbench, first.spec.model) == [replace(first, swaps=())]
    assert stored_evals(workbench, replace(first.spec.model, name="another")) == []


def test_what_was_evaluated_before_runs_had_names_is_still_found(workbench: Workbench, tmp_path: Path, folder: str) -> None:
    shutil.copytree(folder, tmp_path / "run" / "checkpoint")
    request = EvalRequest(str(tmp_path / "run" / "checkpoint"), "bundled", 12, passes=2)
    report = evaluate(workbench, request)
    assert report.spec.model.name == "run"
    former = EvalSpec(replace(report.spec.model, name="checkpoint"), report.spec.eval_set, report.spec.rollout)
    rows = workbench.store.read(EVALS, report.spec.key).parquet(ROWS)
    workbench.store.keep(EVALS, former, lambda place: save_parquet(place / ROWS, rows))
    assert {found.spec for found in stored_evals(workbench, report.spec.model)} == {report.spec, former}
    assert stored_evals(workbench, replace(report.spec.model, checkpoint="0" * 64)) == []


def test_fresh_computes_again_and_finds_the_same(workbench: Workbench, folder: str) -> None:
    request = EvalRequest(folder, "bundled", 12, passes=2)
    first = evaluate(workbench, request)
    made = workbench.store.read("evals", first.spec.key).path
    before = (made / "rows.parquet").stat().st_mtime_ns
    assert evaluate(workbench, request, fresh=True) == first
    assert (made / "rows.parquet").stat().st_mtime_ns > before


def test_a_report_adds_up(workbench: Workbench, folder: str) -> None:
    report = evaluate(workbench, EvalRequest(folder, "bundled", 40, passes=1))
    assert report.outcomes.n == report.accuracy.n == len(report.run.rows) == 40
    assert sum(group.n for group in report.by_family.values()) == 40 == sum(group.n for group in report.by_steps.values())
    assert report.accuracy.value == report.run.correct.mean() == report.outcomes.correct / 40
    assert report.spelled_out.value == sum("=" in row.answer for row in report.run.rows) / 40
    assert report.accuracy.low <= report.accuracy.value <= report.accuracy.high
    data = report.as_json()
    assert (data["key"], data["n"], data["passes"]) == (report.spec.key, 40, 1)


def test_what_changes_a_number_changes_the_key(workbench: Workbench, folder: str) -> None:
    request = EvalRequest(folder, "bundled", 3, passes=2)
    others = [replace(request, n=4), replace(request, seed=1), replace(request, passes=1), replace(request, mode="cot", max_new_tokens=9)]
    keys = {evaluate(workbench, one).spec.key for one in (request, *others, replace(request, max_new_tokens=9))}
    assert len(keys) == 6
    cot = replace(request, mode="cot")
    assert evaluate(workbench, cot).spec == evaluate(workbench, replace(cot, passes=1)).spec  # there are none


def test_progress_is_told_in_turns_and_turns_do_not_matter(workbench: Workbench, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request, seen = EvalRequest(folder, "bundled", 12, passes=2), []
    whole = evaluate(workbench, request)
    monkeypatch.setattr(turns, "TURN", 5)
    here = threading.current_thread()

    def progress(done: int, total: int) -> None:
        assert threading.current_thread() is here
        seen.append((done, total))

    assert evaluate(workbench, request, progress, fresh=True) == whole
    assert seen == [(5, 12), (10, 12), (12, 12)]


def test_whoever_waits_can_leave_and_nothing_is_stored(workbench: Workbench, folder: str) -> None:
    def leave() -> None:
        raise Cancelled("enough")

    shipped = workbench.store.keys("evals")
    with pytest.raises(Cancelled, match="enough"):
        evaluate(workbench, EvalRequest(folder, "bundled", 200), on_wait=leave)
    assert workbench.store.keys("evals") == shipped


def test_bad_requests_say_why(workbench: Workbench, folder: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs latents to swap"):
        evaluate(workbench, EvalRequest(folder, swap_donor=True, passes=0))
    long = tmp_path / "long.jsonl"
    long.write_text('{"question": "short", "answer": 1}\n{"question": "' + "x" * 20_001 + '", "answer": 1}')
    with pytest.raises(DataError, match="Question 2: The prompt has 20,001 characters"):
        evaluate(workbench, EvalRequest(folder, str(long)))


def test_questions_of_others_are_said_to_be_outside_the_domain(workbench: Workbench, tmp_path: Path) -> None:
    ours = write(tmp_path / "ours", tensors_of(lora=False), codi_json={"training": {"name": "bundled"}})
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"question": "What is 1 + 1?", "answer": "#### 2"}')
    assert "outside the domain" in evaluate(workbench, EvalRequest(str(ours), str(asked))).note
    assert evaluate(workbench, EvalRequest(str(ours), "bundled", 2)).note == ""
