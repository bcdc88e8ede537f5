"""What ``segment`` does around each image, whatever kind of model segments it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from napari_construct.cli._errors import one_line
from napari_construct.cli._output import STDOUT, check_folder, check_json, write_json
from napari_construct.cli._result_names import check_names, stem_of
from napari_construct.events.progress import Bars, progress_bars
from napari_construct.exceptions import ConstructError
from napari_construct.reading.names import found_as, shown


def checked_images(
    images: Sequence[Path],
    output: Path,
    kinds: Sequence[str],
    json_file: str | None,
    *others: str | Path | None,
    overwrite: bool,
    whole_slide: bool = False,
) -> tuple[list[Path], tuple[str, ...]]:
    """The images without earlier results, and what to say of those, before any work.

    Parameters
    ----------
    images : sequence of Path
        As typed.
    output : Path
        Folder of the results.
    kinds : sequence of str
        Files of each result.
    json_file : str or None
        Of ``--json``.
    *others : path, str or None
        What else the command reads.
    overwrite : bool
        Also replace files that napari-construct did not make.
    whole_slide : bool
        Whether the results are those of whole slides, and ``kinds`` their outputs.

    Raises
    ------
    ConfigurationError
        If results would have one name, replace what they may not, or cannot be written.
    """
    from napari_construct.batch.sources import without_results
    from napari_construct.export.own_files import refuse_others
    from napari_construct.export.reports import refuse_inputs
    from napari_construct.inference.slides.outputs import slide_paths
    from napari_construct.results.files import result_paths

    paths_of: Callable[[Path, str, Sequence[str]], dict[str, Path]]
    paths_of = slide_paths if whole_slide else result_paths
    found, about_results = without_results([found_as(str(path)) for path in images])
    check_names(found)
    targets = [file for path in found for file in paths_of(output, stem_of(path), kinds).values()]
    refuse_inputs(targets, found)
    refuse_others(targets, overwrite=overwrite)
    check_folder(output)
    check_json(json_file, *found, *others)
    return found, about_results


def each_image(
    images: Sequence[Path],
    about_results: Sequence[str],
    one: Callable[[Path, Bars], dict[str, Any]],
    in_words: Callable[[dict[str, Any]], str],
    output: Path,
    json_file: str | None,
) -> None:
    """Segment every image, go on after a broken one, and say what came of them.

    Parameters
    ----------
    images, about_results
        Of :func:`checked_images`.
    one : callable
        Segments an image and returns what JSON holds of it, with "image".
    in_words : callable
        The same in a few words.
    output : Path
        Folder of the results.
    json_file : str or None
        Of ``--json``.

    Raises
    ------
    Exit
        With code 1, if an image failed.
    """
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with progress_bars() as bars:
        for text in about_results:
            bars.say(f"note: {text}")
        for path in images:
            try:
                done.append(one(path, bars))
            except (ConstructError, OSError, MemoryError, RuntimeError) as error:
                failed.append({"image": str(path), "error": one_line(error)})
                bars.say(f"failed: {one_line(error)}")
    write_json(json_file, {"results": done, "failed": failed})
    if json_file != STDOUT:
        for item in done:
            typer.echo(f"{shown(item['image'])}: {in_words(item)}")
        typer.echo(f"{len(done)} of {len(done) + len(failed)} segmented, results in {output}")
        if failed:
            typer.echo("failed: " + ", ".join(shown(item["image"]) for item in failed), err=True)
    if failed:
        raise typer.Exit(1)
