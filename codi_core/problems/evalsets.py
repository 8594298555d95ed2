"""Eval sets by name: our own problems, public data sets through the hub, or any file a person names.

The same name, n and seed always mean the same questions; `EvalSetSpec.digest` proves it. One more set is one more row of `EVAL_SETS`: it
then stands in every picker, in the help of the command line and, where it says so, among the sets that means are made from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from codi_core.errors import DataError
from codi_core.keys import canonical_json
from codi_core.problems.comparisons import REQUEST, who_has_more
from codi_core.problems.drawing import sample
from codi_core.problems.formats import FILE_TYPES
from codi_core.problems.generate import Problem, Split, generate, templates
from codi_core.problems.grouping import TEXT
from codi_core.problems.hub import PARQUET, GitHubFiles, HubFiles
from codi_core.problems.reading import FileQuestions, Reading, read_file, split_name
from codi_core.values.questions import EvalSetSpec, Question

DEFAULT_N = 1_000
"""Questions of a generated set when ``n`` is 0."""
MAX_GENERATED = 5_000
"""The small splits have a few thousand different problems; drawing for more would never end."""
DEFAULT_MEANS = "means"
COCONUT, MULTIMODE = "27273cb8cca4bb763c041a63b036d0c3b7cbbb48", "3483c3d0530377990e45db18bdd48429195e9088"
"""Commits of facebookresearch/coconut and connordilgren/are-lrms-easily-interpretable."""

Source = Callable[[int, int], list[Question]]
"""n (0 = all, or DEFAULT_N of a generated set) and seed → questions. Raises DataError when they cannot be had."""


@dataclass(frozen=True)
class EvalSet:
    """A row of `EVAL_SETS`."""

    description: str
    """One line, as pickers and the command line show it."""
    source: Source
    """A function of ours, or the `questions` of a `PublicFiles`, which also says how its columns are read."""
    split: Split | None = None
    """Split of our own problems; None for other people's data, which the bundled models never trained on."""
    groups: str = "each question its own"
    """Which questions stand or fall together."""
    suffix: str = ""
    """Words that follow every question, such as how to answer."""
    for_means: bool = False
    """Whether mean latents may be made from it."""

    def questions(self, n: int, seed: int) -> list[Question]:
        found = self.source(n, seed)
        return [replace(question, question=question.question + self.suffix) for question in found] if self.suffix else found


def load_eval_set(name: str, n: int = 0, seed: int = 0) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    """Questions of a set in EVAL_SETS or of a file, with its options (see `reading`). ``n`` 0 = all (DEFAULT_N of a generated set).

    Raises DataError when there is no such set or file, it cannot be fetched, a row has no question or no answer of the set's rule, or it
    holds fewer than ``n`` questions.
    """
    if n < 0:
        raise DataError(f"{n} questions: give a positive number, or 0 for all.")
    if name in EVAL_SETS:
        return _drawn_once(name, n, seed) if EVAL_SETS[name].split else _named(name, EVAL_SETS[name].questions(n, seed), seed)
    path, found = load_file(name)
    return _named(path.name, sample(found.questions, n, seed, path.name), seed)


def asked_of(name: str, n: int) -> int:
    """How many questions `load_eval_set` would give, told without drawing any: thousands of a small split take half a minute.

    Raises DataError as it does when all of a set or file are asked for.
    """
    if n or (name in EVAL_SETS and EVAL_SETS[name].split):
        return n or DEFAULT_N
    return len(load_eval_set(name)[1])


def load_file(name: str) -> tuple[Path, FileQuestions]:
    """A file by its path and options (see `reading`), with what was left out of it. Raises DataError."""
    file, reading = split_name(name)
    path = Path(file).expanduser()
    if not path.exists():
        raise DataError(
            f"'{file}' is neither an eval set ({', '.join(EVAL_SETS)}) nor an existing file: "
            f"name a {FILE_TYPES} file with columns question and answer."
        )
    return path, read_file(path, reading)


def set_of(name: str) -> str:
    """The set that a file of this name belongs to, as its authors call it (``prosqa_test.json``); without one, the name itself."""
    sources = {set_name: getattr(row.source, "__self__", None) for set_name, row in EVAL_SETS.items()}
    theirs = {set_name: source.files for set_name, source in sources.items() if isinstance(source, GitHubFiles)}
    return next((set_name for set_name, files in theirs.items() if [Path(file).name for file in files] == [name]), name)


def means_sets() -> tuple[str, ...]:
    """Names of the sets that means can be made from, the default first."""
    return tuple(sorted((name for name, row in EVAL_SETS.items() if row.for_means), key=lambda name: name != DEFAULT_MEANS))


@lru_cache(maxsize=16)
def _drawn_once(name: str, n: int, seed: int) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    """Drawing 500 of our own problems takes a second or two; files are read again, as they may have changed."""
    return _named(name, EVAL_SETS[name].questions(n, seed), seed)


def _named(name: str, questions: Sequence[Question], seed: int) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    digest = hashlib.sha256(canonical_json([_identity(question) for question in questions]).encode()).hexdigest()
    return EvalSetSpec(name, len(questions), seed, digest), tuple(questions)


def _identity(question: Question) -> list[object]:
    """What can change a number about a question. Of our own problems the rest follows from the text; of others, from what a file says."""
    said = [question.rule, [label for label in question.groups if label and not label.startswith(f"{TEXT}:")], question.steps]
    ours = bool(question.template)
    return [question.id, question.question, question.gold, *([] if ours or said == ["number", [], ()] else said)]


# Our own problems


def as_question(problem: Problem) -> Question:
    """One of our problems as a row of an eval set. The id holds a hash of the text: equal stories may end with different requests."""
    text = hashlib.sha256(problem.question.encode()).hexdigest()[:6]
    return Question(
        id=f"{problem.template}/{'-'.join(map(str, problem.triple))}/{text}",
        question=problem.question,
        gold=float(problem.answer),
        template=problem.template,
        triple=problem.triple,
        steps=tuple(float(step.value) for step in problem.steps),
    )


def _templates(n: int, seed: int) -> list[Question]:
    return sample([as_question(problem) for problem in templates()], n, seed, "templates")


def _ours(description: str, split: Split, source: Source | None = None, for_means: bool = True) -> EvalSet:
    def questions(n: int, seed: int) -> list[Question]:
        if n > MAX_GENERATED:
            raise DataError(f"{n:,} questions of the split '{split}' were asked for: at most {MAX_GENERATED:,} can be drawn.")
        return [as_question(problem) for problem in generate(split, n or DEFAULT_N, seed)]

    return EvalSet(description, source or questions, split, "by wording, and by the numbers of a story", for_means=for_means)


EVAL_SETS: dict[str, EvalSet] = {
    "templates": _ours("The posts' template set: 10 stories × addition or subtraction first × 50 unseen triples", "test", _templates),
    "bundled": _ours("Our problems of all kinds: wordings seen in training, triples never", "test"),
    "wordings": _ours("Our problems with phrases and triples never seen in training", "wordings", for_means=False),
    "means": _ours("Our split for mean latents, disjoint from the others by triple and wording", "means"),
    "select": _ours("Our split for choosing among interventions", "select"),
    "confirm": _ours("Our split for confirming what was chosen", "confirm"),
    "who-has-more": EvalSet(
        "Our problems answered by a name: who of two has more. The bundled models learnt numbers only and get none right",
        who_has_more,
        groups="by the thing counted, and by the numbers",
        suffix=REQUEST,
    ),
    "gsm8k": EvalSet("GSM8K, test", HubFiles("openai/gsm8k", ("main/test-00000-of-00001.parquet",)).questions),
    "gsm8k-train": EvalSet("GSM8K, train", HubFiles("openai/gsm8k", ("main/train-00000-of-00001.parquet",)).questions),
    "gsm8k-aug": EvalSet(
        "GSM8k-Aug, test: GSM8K with equations for steps", HubFiles("zen-E/GSM8k-Aug", ("default/test/0000.parquet",), PARQUET).questions
    ),
    "gsm8k-aug-train": EvalSet(
        "GSM8k-Aug, train: what the public CODI models learnt from; its few answers that are not numbers are left out",
        HubFiles("zen-E/GSM8k-Aug", ("default/train/0000.parquet",), PARQUET, Reading(skip_bad=True)).questions,
    ),
    "gsm8k-aug-500": EvalSet(
        "The first 500 training questions of GSM8k-Aug, from which the posts made lenses and means of hidden states",
        HubFiles("zen-E/GSM8k-Aug", ("default/train/0000.parquet",), PARQUET, first=500).questions,
        for_means=True,
    ),
    "gsm-hard": EvalSet("GSM-Hard: GSM8K with larger numbers", HubFiles("reasoning-machines/gsm-hard", ("gsmhardv2.jsonl",)).questions),
    "svamp": EvalSet(
        "SVAMP, all 1,000 questions",
        HubFiles("ChilleD/SVAMP", ("train.json", "test.json"), "5e0bf1e5e7c0e9c4bc39180d224f41f3f801b7ef").questions,
    ),
    "multiarith": EvalSet("MultiArith, all 600 questions", HubFiles("ChilleD/MultiArith", ("train.json", "test.json")).questions),
    "commonsense-qa": EvalSet(
        "CommonsenseQA, validation: one of five choices, answered by its letter",
        HubFiles("tau/commonsense_qa", ("data/validation-00000-of-00001.parquet",), reading=Reading(rule="letter")).questions,
    ),
    "commonsense-qa-codi": EvalSet(
        "CommonsenseQA, validation, with the choices in the question: as the public CODI code asks it",
        HubFiles("zen-E/CommonsenseQA-GPT4omini", ("default/validation/0000.parquet",), PARQUET, Reading(rule="letter")).questions,
    ),
    "strategy-qa": EvalSet(
        "StrategyQA, test: true or false", HubFiles("ChilleD/StrategyQA", ("test.json",), reading=Reading(rule="true-false")).questions
    ),
    "prosqa": EvalSet(
        "ProsQA, test: a walk through a graph, answered by a sentence (A is a B). Coconut's own file",
        GitHubFiles("facebookresearch/coconut", ("data/prosqa_test.json",), COCONUT, Reading(rule="is-a")).questions,
    ),
    "prontoqa": EvalSet(
        "PrOntoQA with five steps, test: true or false. The file of the multi-mode models, made by Coconut's script",
        GitHubFiles(
            "connordilgren/are-lrms-easily-interpretable", ("data/prontoqa_test.json",), MULTIMODE, Reading(rule="true-false")
        ).questions,
    ),
}
