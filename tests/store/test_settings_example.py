"""The example of a settings file: complete, true, and the one in the repository."""

from __future__ import annotations

import re
from pathlib import Path

from store.settings import FILE_NAME, keys, load
from store.settings_example import example

ROOT = Path(__file__).parents[2]


def test_the_repository_holds_this_very_text() -> None:
    assert (ROOT / "config.example.toml").read_text() == example()


def test_the_example_changes_nothing(tmp_path: Path) -> None:
    plain = load(tmp_path)
    (tmp_path / FILE_NAME).write_text(example())
    assert load(tmp_path) == plain


def test_every_setting_is_there_with_its_default(tmp_path: Path) -> None:
    plain = load(tmp_path)
    uncommented = re.sub(r"^# (\w+ = )", r"\1", example(), flags=re.MULTILINE)
    (tmp_path / FILE_NAME).write_text(uncommented)
    loaded = load(tmp_path)
    for key, _, name in keys():
        section = key.partition(".")[0]
        assert f"\n{name} = " in uncommented, key
        before, after = getattr(getattr(plain, section), name), getattr(getattr(loaded, section), name)
        if key != "queue.secret":  # None and an empty text both mean: make one
            assert after == before, key


def test_lines_fit() -> None:
    assert max(map(len, example().splitlines())) <= 100
