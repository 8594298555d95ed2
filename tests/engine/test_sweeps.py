"""Sweeps on a tiny model: killed, shared, damaged and failing ones end with the same table."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from codi_core.cli import main
from codi_core.errors import ArtifactError, DataError, InputError, InterventionError, ModelError, SweepError
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.effects import evaluate_condition
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.confirm import confirm_request, winners
from codi_core.services.sweeps.job import resolve
from codi_core.services.sweeps.run import measure_bands, sweep
from codi_core.services.sweeps.stored import baseline_of, cell_questions, cell_request, read_sweep, recheck, stored_sweeps
from codi_core.settings import ROOT, Settings
from codi_core.store import Store
from codi_core.sweeps.local import SweepProgress, Tally, run_sweep, run_units
from codi_core.sweeps.units import CELLS, PARTS, ROWS, SWEEPS, Part, Unit, units_of
from tests.checkpoints import tensors_of, write

FEW = tuple(("kv-as-in-the-post", a, b, index, 2.0) for a, b in ((1, 2), (2, 4), (3, 5), (4, 6)) for index in (3, 5))


ONE = (("kv-corrected", 1, 2, 3, 1.0),)
SMALL = {"randoms": 1, "shuffled": 1, "means_n": 12}


@pytest.fixture
def request_(folder: str) -> SweepRequest:
    return SweepRequest(folder, "post-kv", n=6, only=FEW, **SMALL)


@pytest.fixture
def open_bench(settings: Settings) -> Iterator[Callable[..., Workbench]]:
    opened: list[Workbench] = []

    def open_(**changes: object) -> Workbench:
        opened.append(Workbench(replace(settings, **changes)))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for bench in opened:
        bench.close()


@pytest.fixture
def bench(open_bench: Callable[..., Workbench]) -> Workbench:
    return open_bench()


def files_of(store: Store, key: str) -> tuple[bytes, bytes]:
    path = store.find(SWEEPS, key)
    assert path is not None
    return (path / ROWS).read_bytes(), (path / CELLS).read_bytes()


def counting(bench: Workbench, request: SweepRequest) -> Tally:
    job = resolve(bench, request)
    return run_sweep(bench.store, job.spec, job.questions, lambda tally: run_units(bench.store, job.spec, job.compute, tally))


def test_a_table_its_progress_and_what_can_be_asked_of_it(bench: Workbench, request_: SweepRequest, folder: str) -> None:
    seen: list[SweepProgress] = []
    table = sweep(bench, request_, seen.append)
    assert (len(table.cells), len(table.bands)) == (len(FEW) + 3, len(FEW) * 2 * (1 + 1)) and table.overlap, (
        "every cell chosen has its band"
    )
    assert (seen[-1].done, seen[-1].conditions) == (seen[-1].total, len(table.cells) + len(table.bands))
    assert seen[-1].rate > 0 and seen[-1].eta == 0 and [each.done for each in seen] == list(range(1, seen[-1].total + 1))
    assert not list((bench.settings.cache_dir / PARTS).glob("[!.]*")) and not list((bench.settings.cache_dir / PARTS / ".locks").iterdir())
    assert table.key in {each.key for each in stored_sweeps(bench.store)}
    assert read_sweep(bench.store, table.key).cells.equals(table.cells)
    row = table.cells[table.cells["role"] == "cell"].iloc[1]
    agreement = recheck(bench, table, int(row["place"]), n=4, model=folder)
    assert (agreement.n, agreement.same_answers, agreement.same_outcomes) == (4, 4, 4) and agreement.stored == agreement.live
    chosen, words = winners(table)
    assert len(chosen) == 3 and set(chosen) <= set(FEW) and "no cell" in words
    again: list[SweepProgress] = []
    assert sweep(bench, request_, again.append).cells.equals(table.cells) and not again


def test_a_cell_is_the_condition_of_the_steer_page(open_bench: Callable[..., Workbench]) -> None:
    bench = open_bench(model="bundled-steps")
    only = (("kv-corrected", 2, 5, 4, 5.0), ("kv-corrected", 1, 6, 2, -5.0))
    table = sweep(bench, SweepRequest("bundled-steps", "corrected-kv", n=40, randoms=2, shuffled=1, means_n=30, only=only))
    for row in table.cells[table.cells["role"] != "random"].itertuples(index=False):
        request = cell_request(table, row.place)
        *_, live = evaluate_condition(bench, request, "me")
        assert live.key == row.key
        assert live.steered.value == pytest.approx(row.accuracy)
        if row.role == "baseline":
            continue
        assert (live.paired.fixed, live.paired.broken) == (row.fixed, row.broken)
        assert live.paired.low == pytest.approx(row.delta_low, abs=1e-6) and live.paired.high == pytest.approx(row.delta_high, abs=1e-6)
        assert live.margin.value == pytest.approx(row.margin, abs=0.02)  # stored in steps of 1/16
        fixed, broken = cell_questions(bench.store, table, row.place)
        numbers = {question.id: number for number, question in enumerate(load_eval_set("templates", 40, 0)[1])}
        assert tuple(numbers[flip.question.id] for flip in fixed) == live.fixed
        assert tuple(numbers[flip.question.id] for flip in broken) == live.broken
        assert all(flip.baseline != flip.steered for flip in fixed + broken)
    assert (table.cells["fixed"] + table.cells["broken"]).sum() > 0
    assert baseline_of(table, int(table.cells["place"].iloc[-1])) == 0


def test_bands_on_demand(bench: Workbench, folder: str) -> None:
    """For a whole size with a flag, for single cells with a click; what was measured stays."""
    request = SweepRequest(folder, "post-kv", n=3, passes=2, randoms=10, shuffled=0, means_n=12)
    table = sweep(bench, replace(request, bands_at=(5.0,)))
    cells = table.cells[table.cells["role"] == "cell"]
    assert (cells["percentile"].notna() == (cells["coefficient"].abs() == 5)).all() and set(cells["band"]) == {0, 20}
    stored = bench.store.keys(SWEEPS)
    assert sweep(bench, replace(request, bands_at=(5.0,))).key == table.key and bench.store.keys(SWEEPS) == stored, "nothing to do"
    other = cells[cells["coefficient"] == 1].to_dict("records")[:2]
    measure_bands(bench, table, other, folder)
    again = read_sweep(bench.store, table.key).cells.set_index("place")["percentile"]
    assert again[[row["place"] for row in other]].notna().all()
    assert again.notna().sum() == cells["percentile"].notna().sum() + 4, "both signs of a cell share a band"


@pytest.mark.slow
def test_killed_and_resumed(open_bench: Callable[..., Workbench], request_: SweepRequest, folder: str, tmp_path: Path) -> None:
    killed, whole = open_bench(), open_bench(cache_dir=tmp_path / "whole")
    words = "--preset post-kv --n 6 --randoms 1 --shuffled 1 --means-n 12 --workers 1 --device cpu --dtype float32 --threads 1"
    cells = [word for cell in FEW for word in ("--only", ":".join(map(str, cell)))]
    command = [sys.executable, "-m", "codi_core", "sweep", *words.split(" "), *cells, "--model", folder]
    process = subprocess.Popen([*command, "--cache-dir", str(killed.settings.cache_dir)], cwd=ROOT)
    parts = killed.settings.cache_dir / PARTS
    deadline = time.monotonic() + 280
    while len(list(parts.glob("[!.]*"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = len(list(parts.glob("[!.]*/meta.json")))
    resumed, uninterrupted = counting(killed, request_), counting(whole, request_)
    assert kept >= 2 and len(resumed.computed) == len(resumed.units) - kept
    assert len(uninterrupted.computed) == len(uninterrupted.units)
    key = resumed.units[0].sweep
    assert files_of(killed.store, key) == files_of(whole.store, key)


def test_two_at_once_share_the_work(open_bench: Callable[..., Workbench], request_: SweepRequest, tmp_path: Path) -> None:
    first, second, alone = open_bench(), open_bench(), open_bench(cache_dir=tmp_path / "alone")
    found: list[Tally] = []
    threads = [threading.Thread(target=lambda own=own: found.append(counting(own, request_))) for own in (first, second)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    computed = [number for tally in found for number in tally.computed]
    assert len(found) == 2 and sorted(computed) == [unit.number for unit in found[0].units]
    key = counting(alone, request_).units[0].sweep
    assert files_of(first.store, key) == files_of(alone.store, key)


@pytest.mark.slow
def test_processes_share_the_work(open_bench: Callable[..., Workbench], request_: SweepRequest, tmp_path: Path) -> None:
    from codi_core.services.sweeps.in_processes import run_in_processes

    two, alone = open_bench(), open_bench(cache_dir=tmp_path / "alone")
    job = resolve(two, request_)
    tally = run_sweep(two.store, job.spec, job.questions, lambda tally: run_in_processes(job, 2, tally))
    assert sorted(tally.computed) == [unit.number for unit in tally.units]
    counting(alone, request_)
    assert files_of(two.store, job.spec.key) == files_of(alone.store, job.spec.key)


def test_a_part_cut_short_is_computed_again(bench: Workbench, request_: SweepRequest) -> None:
    job = resolve(bench, request_)
    run_units(bench.store, job.spec, job.compute, Tally(job.spec, None))
    unit = units_of(job.spec)[1]
    rows = bench.store.path(PARTS, unit.key) / ROWS
    rows.write_bytes(rows.read_bytes()[:-7])
    assert counting(bench, request_).computed == [1]
    whole = files_of(bench.store, job.spec.key)
    (bench.store.path(SWEEPS, job.spec.key) / CELLS).write_bytes(b"short")
    assert job.spec.key not in {table.key for table in stored_sweeps(bench.store)}
    assert len(counting(bench, request_).computed) == len(units_of(job.spec))
    assert files_of(bench.store, job.spec.key) == whole


def test_a_failed_unit_is_reported_and_the_rest_goes_on(bench: Workbench, request_: SweepRequest) -> None:
    job, seen = resolve(bench, request_), list[SweepProgress]()

    def compute(unit: Unit) -> Part:
        if unit.number == 1:
            raise InterventionError("the logits are not numbers")
        return job.compute(unit)

    with pytest.raises(SweepError, match=r"1 of \d+ units failed \(InterventionError: the logits are not numbers\)"):
        run_sweep(bench.store, job.spec, job.questions, lambda tally: run_units(bench.store, job.spec, compute, tally), seen.append)
    assert seen[-1].done == seen[-1].total - 1 and [number for number, _ in seen[-1].failed] == [1]
    with pytest.raises(ArtifactError, match="no sweeps artifact"):
        read_sweep(bench.store, job.spec.key)
    assert counting(bench, request_).computed == [1]


def test_a_disk_that_takes_nothing(bench: Workbench, request_: SweepRequest) -> None:
    resolve(bench, request_)
    blocked = bench.settings.cache_dir / PARTS
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("no folder")
    with pytest.raises(SweepError, match="free some space"):
        sweep(bench, request_)
    blocked.unlink()
    assert len(sweep(bench, replace(request_, only=FEW[:1])).cells) > 1


def test_confirmed_on_other_questions(open_bench: Callable[..., Workbench], folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench = open_bench(model=folder)
    words = ["--model", folder, "--cache-dir", str(bench.settings.cache_dir), "--device", "cpu", "--workers", "1", "--n", "6"]
    with pytest.raises(InputError, match="No sweep of"):
        confirm_request(bench, None)
    selected = sweep(bench, SweepRequest(folder, "corrected-kv", "select", 6, **SMALL, only=ONE))
    assert main(["confirm", *words, "--randoms", "2", "--shuffled", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert selected.key in found["chosen"] and [row["role"] for row in found["cells"]] == ["baseline", "cell"]
    assert [row["role"] for row in found["bands"]] == ["random"] * 4, "two directions, both ways"
    assert main(["confirm", *words, "--eval-set", "select"]) == 2
    assert "cannot be confirmed there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"preset": "posts"}, InputError, "Unknown sweep preset 'posts': choose post-hidden"),
        ({"randoms": 999}, InputError, "999 random directions"),
        ({"passes": 1}, InputError, "no pair to steer along"),
        ({"eval_set": "nowhere"}, DataError, "'nowhere' is neither"),
        ({"model": "no/such-model"}, ModelError, "no/such-model"),
        ({"preset": "corrected-kv", "eval_set": "means"}, InterventionError, "share"),
    ],
)
def test_bad_requests(bench: Workbench, request_: SweepRequest, changes: dict[str, object], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        sweep(bench, replace(request_, only=(), **changes))  # type: ignore[arg-type]


def test_another_checkpoint_is_not_mixed_in(bench: Workbench, request_: SweepRequest, tmp_path: Path) -> None:
    table = sweep(bench, replace(request_, only=FEW[:1], randoms=1, shuffled=0))
    other = write(tmp_path / "model", tensors_of(lora=False, seed=1))
    place = int(table.cells["place"].iloc[-1])
    with pytest.raises(ModelError, match="made with the checkpoint"):
        recheck(bench, table, place, model=str(other))
