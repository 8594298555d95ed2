"""The command line on the public code's checkpoints and on one trained for two steps: files, output, exit codes."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wcwidth

from codi_core import cli
from codi_core.cli.session import fitted
from codi_core.settings import ROOT
from codi_core.version import code_version
from tests.checkpoints import FIXTURES

FIXTURE = FIXTURES / "llama-cywinski"
MODEL = ["--model", str(FIXTURE / "checkpoint"), "--base", str(FIXTURE / "base"), "--lora-alpha", "2"]
COMMANDS = next(action.choices for action in cli.make_parser()._actions if isinstance(action.choices, dict))


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODI_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CODI_DEVICE", "cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("train") / "run"
    assert cli.main(["train", "--preset", "bundled-steps", "--steps", "2", "--seed", "1", "--out", str(out), "--device", "cpu"]) == 0
    return out / "checkpoint"


def run_json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    capsys.readouterr()
    code = cli.main([*argv, "--json"])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return json.loads(out)


def test_help_is_instant() -> None:
    """Nothing heavy is imported before a command runs."""
    heavy = "torch", "transformers", "pandas", "scipy"
    code = f"import sys, codi_core.cli as c; c.make_parser(); sys.exit(any(module in sys.modules for module in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), "xxx: File name too long."),
        (OSError(errno.ENOSPC, "No space left on device"), "the system: No space left on device. Free some space"),
        (MemoryError(), "there is not enough memory"),
        (ImportError("libtorch.so: failed to map segment"), "failed to map segment"),
    ],
)
def test_what_the_machine_does_not_give_is_one_line(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("codi_core.services.selfcheck.selfcheck", fails)
    assert cli.main(["selfcheck", *MODEL]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_a_model_name_that_is_too_long_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "--model", "x" * 5000]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert f"codi_core {command}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["gpt2-zhenyi4", "llama-cywinski", "llama-zhenyi4"])
def test_rollout_writes_what_the_public_code_wrote(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs, folder = json.loads((FIXTURES / name / "answers.json").read_text()), FIXTURES / name
    (tmp_path / "prompts.json").write_text(json.dumps([row["prompt"] for row in theirs["results"]]))
    written = run_json(
        capsys,
        "rollout",
        *["--model", str(folder / "checkpoint"), "--base", str(folder / "base"), "--lora-alpha", str(theirs["meta"]["lora_alpha"])],
        *["--prompt-format", "paper" if theirs["meta"]["remove_eos"] else "answer-only", "--rope-rounding", "bf16", "--dtype", "float32"],
        *["--passes", "6", "--max-new-tokens", str(theirs["meta"]["max_new_tokens"]), "--batch-size", "1"],
        *["--prompts", str(tmp_path / "prompts.json"), "--out", str(tmp_path / "out")],
    )
    ours = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert ours == written
    for our, their in zip(ours["results"], theirs["results"], strict=True):
        assert {field: our[field] for field in ("prompt", "input_ids", "answer_ids", "answer", "number")} == {
            field: their[field] for field in ("prompt", "input_ids", "answer_ids", "answer", "number")
        }
    with np.load(folder / "latents.npz") as expected, np.load(tmp_path / "out" / "latents.npz") as found:
        assert sorted(found.files) == sorted(expected.files)
        for array in expected.files:
            assert found[array].shape == expected[array].shape
            assert np.linalg.norm(found[array] - expected[array]) < 1e-3 * np.linalg.norm(expected[array])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "cannot be read as JSON"),
        ("[]", "holds no prompts"),
        ('{"text": "hello"}', "holds no prompts"),
        ('["fine", 5]', "row 2: 5 is neither a text nor an object with a prompt"),
        ('["fine", "   "]', "Question 2: The prompt is empty"),
    ],
)
def test_prompts_that_cannot_be_used(text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.json").write_text(text)
    assert cli.main(["rollout", *MODEL, "--prompts", str(tmp_path / "prompts.json"), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ['["Add 3."]', '[{"prompt": "Add 3."}]', '[{"question": "Add 3."}]', '{"results": [{"prompt": "Add 3."}]}']
)
def test_prompts_come_in_several_shapes(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.json").write_text(text)
    where = ["--prompts", str(tmp_path / "prompts.json"), "--out", str(tmp_path / "out"), "--passes", "1", "--max-new-tokens", "1"]
    assert run_json(capsys, "rollout", *MODEL, *where)["results"][0]["prompt"] == "Add 3."


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.json").write_text('["Add 3."]')
    (tmp_path / "out").write_text("a file is in the way")
    assert cli.main(["rollout", *MODEL, "--prompts", str(tmp_path / "prompts.json"), "--out", str(tmp_path / "out")]) == 2
    assert "out cannot be written" in capsys.readouterr().err


def test_eval_as_json_and_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["eval", *MODEL, "--eval-set", "templates", "--n", "20", "--seed", "3", "--passes", "2", "--swap-donor"]
    found = run_json(capsys, *argv)
    assert (found["n"], found["passes"], found["eval_set"]["seed"], sum(found["outcomes"].values())) == (20, 2, 3, 20)
    assert found["interval"][0] <= found["accuracy"] <= found["interval"][1]
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    assert found["key"] in text and "accuracy" in text and f"{found['accuracy']:.1%}" in text


def test_selfcheck_passes(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, "selfcheck", *MODEL)
    assert found["passed"] and len(found["checks"]) == 8
    assert cli.main(["selfcheck", *MODEL]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "PASS"


def test_lens_shows_the_output_in_its_last_row(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, "lens", *MODEL, "--prompt", "Add 3 and 4.", "--track", "7", "--passes", "2")
    grid = found["grids"]["logit"]
    assert np.shape(grid["top_probs"])[:2] == (3, 5)
    assert np.allclose(np.array(grid["kl"])[:, -1], 0)
    assert cli.main(["lens", *MODEL, "--prompt", "Add 3 and 4.", "--track", "7", "--passes", "2"]) == 0
    assert "'7': best rank" in capsys.readouterr().out


def test_detect_is_a_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["detect", *MODEL, "--eval-set", "templates", "--n", "12", "--passes", "2"]
    found = run_json(capsys, *argv)
    assert np.shape(found["maps"][0]["found"]["value"]) == (10, 3, 5)
    assert [(part["step"], part["found"]["n"] > 0) for part in found["aligned"]] == [(1, True), (2, False), (3, False)]  # two passes only
    assert found["aligned"][1]["found"]["value"] == [None] * 10
    assert cli.main(argv) == 0
    assert found["key"] in capsys.readouterr().out


def test_verify_makes_a_passport_that_info_then_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.jsonl").write_text("\n".join(json.dumps({"question": f"What is {n} + 1?", "answer": n + 1}) for n in range(4)))
    model = [MODEL[1], *MODEL[2:]]
    made = run_json(capsys, "verify", *model, "--eval-set", str(tmp_path / "own.jsonl"), "--passes", "2")
    assert made["sound"] and made["standing"] == "no published value" and made["accuracy"]["n"] == 4
    assert made["ledger"] and made["versions"]["code"] and made["spec"]["passes"] == 2
    assert run_json(capsys, "info", *MODEL)["passport"]["key"] == made["key"]
    assert cli.main(["verify", *model, "--eval-set", str(tmp_path / "own.jsonl"), "--passes", "2"]) == 0
    out = capsys.readouterr().out
    assert "PASS  8 of 8 prompts as the oracle" in out and made["key"] in out


@pytest.mark.parametrize(("text", "columns"), [("привет", 9), ("日本語のトークン", 9), ("a\nb\x1d", 9), (" the", 9), ("ok\u200b", 12)])
def test_tokens_of_any_script_are_printed_in_their_columns(text: str, columns: int) -> None:
    shown = fitted(text, columns)
    assert wcwidth.wcswidth(shown) == columns and shown.isprintable()
    assert not text.isprintable() or shown.rstrip()[:3] == text[:3]


def test_info_names_code_model_and_device(capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, "info", *MODEL)
    assert found["code"] == code_version() and found["card"]["device"] == "cpu"
    assert cli.main(["info", *MODEL]) == 0
    assert found["card"]["spec"]["checkpoint"] in capsys.readouterr().out


@pytest.mark.slow
def test_a_trained_model_runs_through_everything(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"question": "What is 1 + 1?", "answer": "1 + 1 = <<1+1=2>>2\\n#### 2"}')
    model = ["--model", str(trained)]
    assert run_json(capsys, "selfcheck", *model)["passed"]
    assert "outside the domain" in run_json(capsys, "eval", *model, "--eval-set", str(asked))["note"]
    assert run_json(capsys, "eval", *model, "--n", "5", "--mode", "cot")["n"] == 5
    info = run_json(capsys, "info", *model)
    assert [report["n"] for report in info["evals"]] in ([1, 5], [5, 1])
    assert info["card"]["training"]["training"]["steps"] == 2


@pytest.mark.slow
def test_training_again_resumes_what_is_there(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(trained.parent)
    capsys.readouterr()
    assert cli.main(["train", "--preset", "bundled-steps", "--steps", "2", "--seed", "1", "--out", out, "--device", "cpu", "--json"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [json.loads(row) for row in rows] == [{"checkpoint": str(trained)}]  # nothing was left to do
    assert cli.main(["train", "--preset", "bundled", "--steps", "2", "--out", out, "--device", "cpu"]) == 2
    assert "belongs to a run with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["eval", "--model", "no/such/model/here"], "Unknown model"),
        (["eval", *MODEL, "--eval-set", "nowhere.jsonl"], "neither an eval set"),
        (["eval", *MODEL, "--n", "3", "--device", "abacus"], "Unknown device 'abacus'"),
        (["info", *MODEL, "--dtype", "int1"], "Unknown dtype 'int1'"),
        (["info", *MODEL, "--lora-alpha", "-1"], "LoRA alpha is -1.0"),
        (["lens", *MODEL, "--prompt", " "], "The prompt is empty"),
        (["lens", *MODEL, "--prompt", "Add.", "--lens", "magic"], "Unknown lens 'magic'"),
        (["lens", *MODEL, "--prompt", "Add.", "--lens", "logit:all"], "has no variants"),
        (["lens", *MODEL, "--prompt", "Add.", "--track", "id:999999999"], "vocabulary"),
        (["detect", *MODEL, "--n", "3", "--passes", "0", "--depth", "9", "--json"], "Depth 9 does not exist"),
        (["train", "--preset", "giant"], "Unknown preset 'giant'"),
        (["train-lens", *MODEL, "--indices", "9"], "names no indices"),
    ],
)
def test_what_goes_wrong_is_one_readable_line(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"codi_core {argv[0]}: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "argv", [["eval", "--n", "-1"], ["eval", "--passes", "x"], ["rollout"], ["eval", "--mode", "loud"], [], ["eval", "--pass", "2"]]
)
def test_usage_errors_leave_with_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(argv)
    assert stop.value.code == 2 and "usage:" in capsys.readouterr().err


def test_ctrl_c_leaves_quietly_and_ends_the_worker(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(args: object, what: str) -> Any:
        def show(done: int, total: int) -> None:
            raise KeyboardInterrupt

        return show

    monkeypatch.setattr(cli.evals, "progress", interrupted)
    before = threading.active_count()
    assert cli.main(["eval", *MODEL, "--n", "5", "--passes", "1"]) == 130
    assert "Stopped." in capsys.readouterr().err
    assert threading.active_count() == before


def test_progress_off_a_terminal_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    args = cli.make_parser().parse_args(["eval"])
    show = cli.session.progress(args, "eval")
    assert show is not None
    for done in range(1, 101):
        show(done, 100)
    lines = capsys.readouterr().err.split("\n")
    assert [line.strip() for line in lines if line.strip()] == ["eval: 0 of 100, 00:00", "eval: 100 of 100, 00:00"]
    assert cli.session.progress(cli.make_parser().parse_args(["eval", "--json"]), "eval") is None
