"""Share trained models: export with a card, to and from a folder or a hub repository."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path, PurePosixPath
from typing import Final

from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError

from napari_construct.encoders.catalogue.lookup import HUB, find_entry
from napari_construct.encoders.hub.client import endpoint, file_steps
from napari_construct.encoders.hub.errors import FAILURES, LOGIN, WRONG_ANSWERS, HubRequest, sentence
from napari_construct.encoders.hub.token import has_token, hub_token, token_for
from napari_construct.events import run
from napari_construct.exceptions import CheckpointError, ConfigurationError, EncoderError
from napari_construct.export.atomic import atomic
from napari_construct.export.locks import locked_file
from napari_construct.export.reports import refuse_inputs
from napari_construct.models.checkpoints.archive import file_hash
from napari_construct.models.checkpoints.channel_checkpoint import ChannelCheckpoint, load_any, save_any
from napari_construct.models.checkpoints.checkpoint import Checkpoint
from napari_construct.models.checkpoints.locations import SUFFIX, imported_path, named_file, resolve_model
from napari_construct.models.library.channel_card import channel_card
from napari_construct.models.library.model_card import model_card
from napari_construct.models.network.builder import SCRATCH
from napari_construct.reading.foreign import harmless, quoted
from napari_construct.types import PathLike
from napari_construct.whole_files import remove_partials

CARD: Final = "README.md"
LARGEST_MODEL: Final = 2 * 2**30
"""Bytes of a model that is taken from a hub repository."""


def export_model(
    model: PathLike,
    folder: PathLike,
    *,
    name: str | None = None,
    licence: str = "unknown",
    overwrite: bool = False,
) -> dict[str, Path]:
    """Write a model and its card into a folder; never weights of an encoder whose licence forbids it.

    Parameters
    ----------
    model : str or path
        Name of a model on this computer, or path of a ``.construct`` file.
    folder : path
        Made if it is missing.
    name : str, optional
        Of the exported model; its own by default.
    licence : str
        Licence of the model, for the card.
    overwrite : bool
        Replace an earlier model and card of that name; never the exported model itself.

    Returns
    -------
    dict of str to Path
        "model" and "card".

    Raises
    ------
    CheckpointError
        If there is no such model, it is damaged, or holds weights that may not be shared.
    ConfigurationError
        If a file would be replaced, or another run is writing there.
    """
    path = resolve_model(model)
    name = name or path.stem
    target, card = named_file(Path(folder), name), Path(folder) / f"{name}.md"
    refuse_inputs([target], [path])
    checkpoint = load_any(path)
    check_shareable(checkpoint, path)
    with locked_file(target):
        if not overwrite:
            _refuse_existing(target, card)
        for file in (target, card):
            remove_partials(file)
        save_any(target, checkpoint)
        with atomic(card) as temporary:
            temporary.write_text(
                _card(checkpoint, name, file_hash(target), licence=licence), encoding="utf-8"
            )
    return {"model": target, "card": card}


def _card(checkpoint: Checkpoint | ChannelCheckpoint, name: str, sha256: str, *, licence: str) -> str:
    if isinstance(checkpoint, ChannelCheckpoint):
        return channel_card(checkpoint, name, sha256, licence=licence)
    return model_card(checkpoint, name, sha256, licence=licence)


def check_shareable(checkpoint: Checkpoint | ChannelCheckpoint, path: Path) -> None:
    """Refuse encoder weights that this project did not train or whose licence forbids sharing.

    The catalogue decides, not the checkpoint. All weights that the networks for channels start from may be
    passed on.
    """
    if isinstance(checkpoint, ChannelCheckpoint):
        return
    if checkpoint.encoder_state is None or checkpoint.config.encoder.startswith(SCRATCH):
        return
    try:
        entry = find_entry(checkpoint.config.encoder)
    except EncoderError as error:
        raise CheckpointError(
            f"{path}: expected an encoder of the catalogue, whose licence is known, got "
            f"{checkpoint.config.encoder}; add it to your catalogue, or train with the encoder frozen"
        ) from error
    if not entry.redistributable:
        raise CheckpointError(
            f"{path}: expected no weights of {entry.id} ({entry.licence}), got a checkpoint that holds "
            "them; do not share it; train again with the encoder frozen"
        )


def import_model(path: PathLike, *, name: str | None = None, overwrite: bool = False) -> Path:
    """Check a ``.construct`` file and copy it to the models folder.

    Parameters
    ----------
    path : path
        The file.
    name : str, optional
        Of the imported model; that of the file by default.
    overwrite : bool
        Replace another model of that name.

    Raises
    ------
    CheckpointError
        If the file is missing or damaged, the name is that of a bundled model, or the system refuses to
        write.
    ConfigurationError
        If there is another model of that name.
    """
    return keep_model(load_any(path), name or Path(path).stem, overwrite=overwrite)


def keep_model(checkpoint: Checkpoint | ChannelCheckpoint, name: str, *, overwrite: bool = False) -> Path:
    """Write a checkpoint to the models folder under a name of its own, as :func:`import_model` does."""
    target = imported_path(name)
    with locked_file(target):
        remove_partials(target)
        if not target.exists() or overwrite:
            return save_any(target, checkpoint)
        with tempfile.TemporaryDirectory() as folder:  # equal contents give equal bytes
            same = file_hash(save_any(Path(folder) / "new", checkpoint)) == file_hash(target)
        if not same:
            raise ConfigurationError(
                f"{name}: expected a free name, got that of another model that you imported; give another "
                "one (--name), replace the model (--overwrite), or remove it first"
            )
        return target


def _refuse_existing(*targets: Path) -> None:
    for path in targets:
        if os.path.lexists(path):
            raise ConfigurationError(
                f"{path}: expected a new file, got an existing one; choose another folder or name, or "
                "replace it (--overwrite)"
            )


def push_model(model: PathLike, repository: str, *, private: bool = True, licence: str = "unknown") -> str:
    """Upload a model and its card to a hub repository, which is made if it is missing.

    Parameters
    ----------
    model : str or path
        As for :func:`export_model`.
    repository : str
        "OWNER/NAME", or "hf-hub:OWNER/NAME".
    private : bool
        Whether a new repository is private.
    licence : str
        For the card.

    Returns
    -------
    str
        Address of the repository.

    Raises
    ------
    CheckpointError
        If the model must not be shared, or the hub refuses.
    """
    repository = repository.removeprefix(HUB)
    asked = _asked(repository, f"try again (napari-construct models export {model} --push {repository})")
    token = _token(asked)
    if token is None:
        raise CheckpointError(
            f"{repository}: expected a hub token to upload with, got none; log in with '{LOGIN}', then "
            f"{asked.again}"
        )
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as folder:
        written = export_model(model, folder, licence=licence)
        written["card"].rename(Path(folder) / CARD)
        try:
            address = str(api.create_repo(repository, private=private, exist_ok=True))
            api.upload_folder(
                repo_id=repository, folder_path=folder, commit_message=f"Model {written['model'].stem}"
            )
        except (*FAILURES, *WRONG_ANSWERS) as error:
            raise _refused(error, asked) from error
    return address


def pull_model(
    repository: str,
    *,
    file: str | None = None,
    revision: str = "main",
    name: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Download a model from a hub repository, check it, and copy it to the models folder.

    Parameters
    ----------
    repository : str
        "OWNER/NAME", or "hf-hub:OWNER/NAME".
    file : str, optional
        Which ``.construct`` file, if there are several.
    revision : str
        Branch, tag or commit.
    name, overwrite
        As for :func:`import_model`.

    Raises
    ------
    CheckpointError
        If there is none or there are several, the hub refuses, or the file is damaged or larger than 2 GiB.
    """
    repository = repository.removeprefix(HUB)
    asked = _asked(repository, f"try again (napari-construct models import hf-hub:{repository})", revision)
    try:
        api = HfApi(token=token_for(endpoint()))
        found = [f for f in api.list_repo_files(repository, revision=revision) if f.endswith(SUFFIX)]
    except EncoderError as error:
        raise CheckpointError(f"{repository}: {error}") from error
    except (*FAILURES, *WRONG_ANSWERS) as error:
        raise _refused(error, asked) from error
    if file is None and len(found) != 1:
        shown = ", ".join(map(harmless, sorted(found)[:5])) or "none"
        raise CheckpointError(
            f"{repository}: expected one {SUFFIX} file, got {shown}; name one (--file), or check the "
            "repository"
        )
    member = file or found[0]
    # the hub's name becomes a file's name: it is checked before anything is fetched
    wanted = name or PurePosixPath(member).stem
    imported_path(wanted)
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / f"model{SUFFIX}"
        try:
            run(file_steps(asked, member, here, LARGEST_MODEL))
        except EncoderError as error:
            raise CheckpointError(str(error)) from error
        except OSError as error:
            raise CheckpointError(
                f"{folder}: cannot be written ({error.strerror or error}); free some space"
            ) from error
        return import_model(here, name=wanted, overwrite=overwrite)


def _token(asked: HubRequest) -> str | None:
    try:
        return hub_token()
    except EncoderError as error:
        raise CheckpointError(f"{asked.name}: {error}") from error


def _asked(repository: str, again: str, revision: str = "main") -> HubRequest:
    return HubRequest(repository, repository, revision, f"https://huggingface.co/{repository}", False, again)


def _refused(error: Exception, asked: HubRequest) -> CheckpointError:
    if isinstance(error, HFValidationError):
        return CheckpointError(f"expected a repository as OWNER/NAME, got {quoted(asked.name)}; correct it")
    return CheckpointError(sentence(error, asked, None, token=has_token()))
