"""Several files are replaced as one, or stay as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_construct.exceptions import ConfigurationError
from napari_construct.export.together import replace_together


def made(folder: Path, content: str) -> tuple[list[tuple[Path, Path]], tuple[Path, Path]]:
    hidden = folder / ".made"
    hidden.mkdir(exist_ok=True)
    moves = []
    for name in ("a_mask.tif", "a_overlay.png", "a.json"):
        (hidden / name).write_text(content)
        moves.append((hidden / name, folder / name))
    return moves[:-1], moves[-1]


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_all_are_replaced(tmp_path: Path) -> None:
    replace_together(*made(tmp_path, "old"))
    replace_together(*made(tmp_path, "new"))
    assert contents(tmp_path) == dict.fromkeys(("a_mask.tif", "a_overlay.png", "a.json"), "new")


@pytest.mark.parametrize("locked", ["a_mask.tif", "a_overlay.png", "a.json"])
@pytest.mark.parametrize("earlier", [True, False])
def test_a_locked_file_leaves_all_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str, earlier: bool
) -> None:
    if earlier:
        replace_together(*made(tmp_path, "old"))
    before = contents(tmp_path)
    moves = made(tmp_path, "new")
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self.name == locked and target.name == locked:
            raise PermissionError(13, "it is open in another program")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        replace_together(*moves)
    assert contents(tmp_path) == before


def test_a_folder_of_others_leaves_all_as_they_were(tmp_path: Path) -> None:
    replace_together(*made(tmp_path, "old"))
    (tmp_path / "a_overlay.png").unlink()
    (tmp_path / "a_overlay.png").mkdir()
    (tmp_path / "a_overlay.png" / "theirs").write_text("only copy")
    with pytest.raises(ConfigurationError, match="never deletes"):
        replace_together(*made(tmp_path, "new"))
    assert contents(tmp_path) == {"a_mask.tif": "old", "a.json": "old"}
    assert (tmp_path / "a_overlay.png" / "theirs").read_text() == "only copy"
