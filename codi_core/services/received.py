"""Bundles from elsewhere: unpacked beside the cache, every hash and every spec checked, and only then taken in.

Nothing of a bundle runs and nothing is unpickled (lenses: ``weights_only``). Its names have to be plain ones, so that nothing lands outside
its own folder; what it expands to is bounded. What fails a check is refused by name, and then nothing of the bundle is taken in.
"""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import pandas as pd

from codi_core.disk import sha256_of, written_aside
from codi_core.errors import ArtifactError, BundleError
from codi_core.services.bundle import ARTIFACTS, LENS
from codi_core.services.effects import ROWS as RUN_ROWS
from codi_core.services.effects import RUNS
from codi_core.services.evaluate import EVALS, read_rows
from codi_core.services.notebook import SUMS
from codi_core.services.received_lens import take_lens
from codi_core.settings import Settings
from codi_core.store import META, Artifact, Store, publish, verified
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.table import table_of
from codi_core.sweeps.units import ROWS, SWEEPS
from codi_core.values.evals import EvalSpec

MOST_FILES = 2_000
MOST_BYTES = 2 << 30
"""Unpacked: the lenses of a large model."""
MOST_TIMES = 100
"""How much larger than the .zip its contents may be; tables shrink ten times, zeros a thousand times."""
SMALL = 8 << 20
"""Bytes that may come of any .zip."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]*(\.[A-Za-z0-9_+-]+)*")
_SUM = re.compile(r"([0-9a-f]{64})  (\S+)")


@dataclass(frozen=True)
class Part:
    """Something that a bundle carries."""

    about: str
    taken: bool
    """False: it was here already."""
    note: str = ""
    """On what was here already."""

    @property
    def sentence(self) -> str:
        return f"{self.about}: {'taken in' if self.taken else f'is here already{self.note}'}."


@dataclass(frozen=True)
class Received:
    name: str
    """Of the bundle, as it calls itself."""
    parts: tuple[Part, ...]


Taking = Callable[[], Part]
"""Puts what was checked in its place."""


def add_bundle(settings: Settings, file: Path | IO[bytes]) -> Received:
    """Take in a bundle's sweeps, evals, conditions and lenses. Raises BundleError for what is refused, ArtifactError without disk."""
    try:
        aside = settings.cache_dir / "incoming" / "bundle"  # in the cache, so that what is taken in is only renamed
        with written_aside(aside) as folder, _opened(file) as archive:
            root = _unpack(archive, folder)
            _check_sums(root)
            parts = [take() for take in _checked(settings, root)]
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BundleError(f"This is no .zip that can be read ({error}): fetch the bundle again.") from error
    except OSError as error:
        raise ArtifactError(f"The bundle cannot be unpacked ({error}): free some space, or set CODI_CACHE_DIR elsewhere.") from error
    return Received(root.name, tuple(parts))


@contextmanager
def _opened(file: Path | IO[bytes]) -> Iterator[zipfile.ZipFile]:
    if isinstance(file, Path) and not file.is_file():
        raise BundleError(f"There is no file {file}.")
    with zipfile.ZipFile(file) as archive:
        yield archive


# Unpacking


def _unpack(archive: zipfile.ZipFile, folder: Path) -> Path:
    """The one folder of a bundle."""
    infos = archive.infolist()
    size, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if len(infos) > MOST_FILES:
        raise BundleError(f"The .zip has {len(infos):,} files, a bundle has {MOST_FILES:,} at most.")
    if size > min(MOST_BYTES, max(SMALL, MOST_TIMES * packed)):
        raise BundleError(f"The .zip would expand from {packed:,} to {size:,} bytes: no bundle does, so it is not unpacked.")
    names = [_parts_of(info) for info in infos]
    if len({"/".join(name).lower() for name in names}) < len(names):
        raise BundleError("The .zip has two files of one name.")
    roots = {name[0] for name in names}
    if len(roots) != 1:
        raise BundleError(f"The .zip has {len(roots)} folders at its top, a bundle has one: no bundle of ours.")
    for info, name in zip(infos, names, strict=True):
        target = folder.joinpath(*name)
        if info.is_dir():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as packed_file, target.open("xb") as out:  # never more than the size it states; its CRC is checked
            shutil.copyfileobj(packed_file, out)
    return folder / roots.pop()


def _parts_of(info: zipfile.ZipInfo) -> tuple[str, ...]:
    """Of its name: plain ones only, so nothing absolute, no ``..``, no drive, no backslash."""
    parts = tuple(info.orig_filename.removesuffix("/").split("/"))
    kind = stat.S_IFMT(info.external_attr >> 16)
    if not all(map(_NAME.fullmatch, parts)) or len(parts) > 5:
        raise BundleError(f"The .zip holds {info.orig_filename!r:.120}, which is no name of a file in a bundle: it could land anywhere.")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BundleError(f"The .zip holds {info.filename!r}, which is a link or no file at all.")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleError(f"The .zip holds {info.filename!r} encrypted, or compressed in a way that bundles are not.")
    return parts


def _check_sums(root: Path) -> None:
    """Every file is in the list, and as the list says."""
    if not (root / SUMS).is_file():
        raise BundleError(f"{root.name} has no {SUMS}: no bundle of ours.")
    lines = [_SUM.fullmatch(line) for line in (root / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()]
    stated = {line[2]: line[1] for line in lines if line}
    present = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    del present[SUMS]
    if None in lines or set(stated) != set(present):
        odd = sorted(set(stated) ^ set(present))
        raise BundleError(f"{root.name} has other files than its {SUMS} says: {', '.join(odd[:5]) or 'a line cannot be read'}.")
    for name, path in present.items():
        if sha256_of(path) != stated[name]:
            raise BundleError(f"{name} has changed since {root.name} was made (SHA-256 differs): fetch the bundle again.")


# What it carries


def _checked(settings: Settings, root: Path) -> list[Taking]:
    """All of it checked, none of it taken in yet."""
    store = Store(settings)
    found = [_artifact(store, folder) for folder in sorted((root / ARTIFACTS).glob("*/*"))]
    if (root / LENS).is_dir():
        found.append(_lens(settings, root))
    if not found:
        raise BundleError(f"{root.name} carries nothing that could be taken in: make it again with this version.")
    return found


def _lens(settings: Settings, root: Path) -> Taking:
    about, move = take_lens(settings, root / LENS, root / "spec.json")
    return partial(_moved, about, move)


def _moved(about: str, move: Callable[[], bool]) -> Part:
    return Part(about, move())


def _artifact(store: Store, folder: Path) -> Taking:
    kind, key = folder.parent.name, folder.name
    if kind not in READ:
        raise BundleError(f"A bundle carries {', '.join(READ)} and lenses, not {kind!r}.")
    try:
        artifact = verified(folder, kind, key)
        about = READ[kind](artifact)
        listed = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        if listed != {*artifact.meta.files, META}:
            raise BundleError(f"{kind}/{key} has other files than its {META} says.")
    except ArtifactError as error:
        raise BundleError(error.what.replace(f"{folder.parent.parent}/", "") + ": not taken in.") from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise BundleError(f"{kind}/{key} does not hold what {kind} hold ({error!r:.200}).") from error
    return partial(_place, store, artifact, about)


def _place(store: Store, artifact: Artifact, about: str) -> Part:
    kind, key = artifact.meta.kind, artifact.meta.key
    with suppress(ArtifactError):  # damaged here: the bundle's is better
        here = store.read(kind, key).meta
        same = here.files == artifact.meta.files
        return Part(about, False, "" if same else f", made {here.created[:10]} by {here.code[:10]} with other bytes, and stays")
    store.path(kind, key).parent.mkdir(parents=True, exist_ok=True)
    publish(artifact.path, store.path(kind, key), kind, key)
    return Part(about, True)


def _sweep(artifact: Artifact) -> str:
    """Its conditions are those of its spec, and its accuracies those of its rows."""
    spec = artifact.spec(SweepSpec)
    table, rows = table_of(artifact, spec, ()), artifact.parquet(ROWS)
    every = pd.concat([table.cells, table.bands]).sort_values("place")
    if every["key"].tolist() != [cell.condition.key for cell in spec.cells()]:
        raise BundleError(f"The conditions of sweep {artifact.meta.key} are not those of its spec.")
    counted = (rows["outcome"] == "correct").groupby(rows["place"]).mean()
    if len(table.cells) and not (table.cells.set_index("place")["accuracy"] - counted).abs().max() < 1e-6:
        raise BundleError(f"The accuracies of sweep {artifact.meta.key} are not those of its rows.")
    return f"Sweep {artifact.meta.key} ({table.title}, {table.model_name}, {table.eval_set.n:,} questions of '{table.eval_set.name}')"


def _eval(artifact: Artifact) -> str:
    spec, run = artifact.spec(EvalSpec), read_rows(artifact)
    if len(run.rows) != spec.eval_set.n:
        raise BundleError(f"Eval {artifact.meta.key} has {len(run.rows):,} rows for {spec.eval_set.n:,} questions.")
    return f"Eval {artifact.meta.key} ({spec.model.name}, {spec.eval_set.n:,} questions of '{spec.eval_set.name}')"


def _run(artifact: Artifact) -> str:
    rows, eval_set = artifact.parquet(RUN_ROWS), artifact.meta.spec["eval_set"]
    if sorted(rows["number"].tolist()) != list(range(eval_set["n"])) or not {"answers", "outcomes", "baseline_answers"} <= set(rows):
        raise BundleError(f"Condition {artifact.meta.key} has other rows than its {eval_set['n']:,} questions.")
    return f"Condition {artifact.meta.key} ({eval_set['n']:,} questions of '{eval_set['name']}')"


READ: dict[str, Callable[[Artifact], str]] = {SWEEPS: _sweep, EVALS: _eval, RUNS: _run}
"""Kinds of artifacts that a bundle carries: read as they will be read, and named."""
