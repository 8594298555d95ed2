"""``python -m benchmarks.hashes``: the hashes of the models and lenses that ship, into codi_core/models/shipped.json and the lenses' cards.

To be run after one of them was made anew with code of before there were hashes, or a model was put into cache/bundled/models.
"""

from __future__ import annotations

import json
from pathlib import Path

from codi_core.disk import sha256_of
from codi_core.lenses.cards import CARD, FILES, FOLDERS, hashes_of
from codi_core.models.presets import SHIPPED
from codi_core.settings import Settings
from codi_core.store import save_json


def main() -> None:
    bundled = Settings().bundled_dir
    models = {folder.name: _files(folder) for folder in sorted((bundled / "models").iterdir()) if folder.is_dir()}
    save_json(SHIPPED, models)
    print(f"{SHIPPED.name}: {sum(map(len, models.values()))} files of {', '.join(models)}")
    for place in FOLDERS.values():
        for card in sorted((bundled / place).glob(f"*/*/{CARD}")):
            data = json.loads(card.read_text(encoding="utf-8")) | {FILES: hashes_of(card.parent)}
            card.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
            print(f"{card.parent.relative_to(bundled)}: {len(data[FILES])} files")


def _files(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}


if __name__ == "__main__":
    main()
