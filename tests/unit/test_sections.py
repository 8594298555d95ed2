"""Documents that several commands write: each its own sections, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import container, grids, instruments, null, profile, startup, sweeps
from benchmarks.__main__ import DOCUMENT as PERFORMANCE
from benchmarks.sections import SECTION, rewrite, sections

OURS = {
    PERFORMANCE: (startup.HEADING, profile.HEADING),
    sweeps.DOCUMENT: (grids.HEADING, sweeps.HEADING),
    null.DOCUMENT: (null.HEADING.strip(),),
    container.DOCUMENT: (container.HEADING,),
    instruments.DOCUMENT: ("### bundled", "### bundled-steps"),
}


@pytest.mark.parametrize("document", OURS, ids=lambda path: path.name)
def test_a_section_written_again_as_it_is_changes_nothing(document: Path, tmp_path: Path) -> None:
    at = instruments.MODEL if document == instruments.DOCUMENT else SECTION
    copy, before = tmp_path / "copy.md", document.read_text(encoding="utf-8")
    for heading in OURS[document]:
        copy.write_text(before, encoding="utf-8")
        rewrite(copy, sections(before, at)[heading], at)
        assert copy.read_text(encoding="utf-8") == before


def test_what_others_wrote_stays_where_it_is(tmp_path: Path) -> None:
    document = tmp_path / "new.md"
    rewrite(document, "# Title\n\nabout\n\n## One\n\n1\n")
    rewrite(document, "\n## Two\n\n2\n")
    rewrite(document, "# Title\n\nnew\n\n## One\n\n### Part\n\none\n\n## Three\n\n3\n")
    assert document.read_text() == "# Title\n\nnew\n\n## One\n\n### Part\n\none\n\n## Two\n\n2\n\n## Three\n\n3\n"
