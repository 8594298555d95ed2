"""The house as DESIGN has it: every package says what it offers, files hold one thing, functions fit a screen, no circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from codi_core.settings import ROOT

CODE = sorted((ROOT / "codi_core").rglob("*.py"))
PACKAGES = [path.parent for path in CODE if path.name == "__init__.py" and path.parent.name not in ("codi_core", "cli", "claims")]
TABLES = {"stories.py"}
"""Files that are data in the form of code."""
LONGEST_FILE, LONGEST_FUNCTION = 350, 60


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_says_what_each_of_its_files_offers(package: Path) -> None:
    text = " ".join((package / "__init__.py").read_text(encoding="utf-8").split())
    lines = re.findall(r"\* `(\w+)`(.*?)(?= \* `|\"\"\")", text)
    said = {name: re.findall(r"`([A-Za-z_]+)`", offered.split(". ")[0]) for name, offered in lines}
    assert set(said) == {path.stem for path in package.glob("*.py")} - {"__init__"}
    for module, names in said.items():
        assert set(names) <= set(defined(package / f"{module}.py")), module


def defined(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_files_and_functions_are_short() -> None:
    long = [
        f"{path.name}: {count}" for path in CODE if (count := len(path.read_text().splitlines())) > LONGEST_FILE and path.name not in TABLES
    ]
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION:
                long.append(f"{path.name}: {node.name}")
    assert long == []


def test_no_import_goes_in_a_circle() -> None:
    """At import time and later: an import inside a function closes a circle as well."""
    graph = {module_of(path): set(imports(path)) for path in CODE}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " → ".join((*way[way.index(module) :], module))
        if module not in done:
            for other in sorted(graph.get(module, ())):
                visit(other, (*way, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Modules of ours, but for those that only annotations need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    skipped = {inner for block in typing for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("codi_core") and node not in skipped:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if (ROOT / whole.replace(".", "/")).with_suffix(".py").is_file() else str(node.module)


def test_charts_headings_and_tables_come_one_way() -> None:
    """Streamlit's own charts have no name, its tables scroll without keys, and a subheader below a title skips a level."""
    screens = [*(ROOT / "codi_core" / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    own = [path for path in screens if path.name != "plot.py"]
    found = [(path.name, name) for path in own for name in ("st.plotly_chart(", "st.table(", "st.subheader(") if name in path.read_text()]
    assert not found, "widgets/plot.py, widgets/table.py, st.header"


def test_signs_are_written_in_one_place() -> None:
    """A true minus, and never minus nothing: `values.signs.decimal`, and of shares in points `values.verdict.points`."""
    places = {"signs.py", "verdict.py"}
    own = re.compile(r"\{[^{}]*:\+[^{}]+\}|replace\(.-., .−.\)")
    lines = [(path, line) for path in CODE if path.name not in places for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(path.name, line.strip()) for path, line in lines if own.search(line) and "hovertemplate" not in line] == []
