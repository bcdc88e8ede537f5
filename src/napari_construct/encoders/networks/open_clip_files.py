"""open_clip models from files on this computer: weights, and a configuration of which known keys are used."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import open_clip
import torch
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from torch import Tensor

from napari_construct.encoders.entries import EncoderEntry
from napari_construct.encoders.networks.clip_names import is_transformers_clip, to_open_clip
from napari_construct.encoders.networks.foreign_config import OpenClipConfig, Text, read_open_clip
from napari_construct.encoders.networks.open_clip import OpenClipEncoder
from napari_construct.encoders.networks.timm_vit import (
    LIBRARY_ERRORS,
)
from napari_construct.encoders.weight_files import check_names, read_state
from napari_construct.exceptions import EncoderError

LOCAL: Final = "local-dir:"
CONFIG: Final = "open_clip_config.json"
WEIGHTS: Final = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth", "model.safetensors", "pytorch_model.bin",
)  # fmt: skip
"""Names of weights in a folder, in order of preference."""

TOKENIZER_FILES: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
)


def load_open_clip(
    entry: EncoderEntry, weights: Path | None = None, *, config: Path | None = None
) -> OpenClipEncoder:
    """An open_clip model of the catalogue from files on this computer.

    Parameters
    ----------
    entry : EncoderEntry
        Its ``model`` is a name that open_clip knows ("ViT-B-16"), "local-dir:/folder" for a folder in
        open_clip's hub format, or empty, where ``config`` tells the network.
    weights : Path, optional
        State dict of the whole model, in the layout of open_clip or of transformers.
    config : Path, optional
        ``open_clip_config.json``; one that lies beside the weights is found.

    Raises
    ------
    EncoderError
        If open_clip does not know the network, its configuration has unknown keys or sizes out of bounds, or
        the weights are absent or another model's.
    """
    weights, config = _files(entry, weights, config)
    state = _state(weights)
    known = None if config is None else read_open_clip(config, entry.id)
    with _named(entry, known) as name:
        make = partial(open_clip.create_model, name, load_weights=False, pretrained_text=False)
        with torch.device("meta"):  # sizes are compared before they take memory
            wanted = _made(entry, partial(make, device="meta")).state_dict()
        check_names(weights, state, wanted, entry.model or "the network of its configuration")
        model = _made(entry, make)
    model.load_state_dict(state, assign=True)
    if known is None or config is None:
        tokenizer = _made(entry, partial(open_clip.get_tokenizer, entry.model))
    else:
        tokenizer = _made(entry, partial(_tokenizer, known.model_cfg.text_cfg, config.parent))
    return OpenClipEncoder(model, entry.id, tokenizer, licence=entry.licence)


def stored_state(entry: EncoderEntry, weights: Path | None = None) -> dict[str, Tensor]:
    """State of the encoder that :func:`load_open_clip` would make, without making it."""
    return {f"clip.{name}": value for name, value in _state(_files(entry, weights, None)[0]).items()}


def _state(weights: Path) -> dict[str, Tensor]:
    state = read_state(weights)
    state = to_open_clip(state) if is_transformers_clip(state) else state
    return {name: value for name, value in state.items() if not name.endswith("position_ids")}


def _files(entry: EncoderEntry, weights: Path | None, config: Path | None) -> tuple[Path, Path | None]:
    """Weights, and the configuration where no name that open_clip knows says what network they are of."""
    folder = None if weights is None else weights.parent
    if entry.model.startswith(LOCAL):
        folder = Path(entry.model.removeprefix(LOCAL))
        config = folder / CONFIG
        if not config.is_file():
            raise EncoderError(
                f"{entry.id}: expected a model that open_clip knows and can load, got a folder without "
                f"{CONFIG}; check the path"
            )
        weights = weights or next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    elif entry.model:
        config = None
    elif config is None and folder is not None and (folder / CONFIG).is_file():
        config = folder / CONFIG
    if weights is None or (
        config is None and (not entry.model or entry.model not in open_clip.list_models())
    ):
        raise EncoderError(
            f"{entry.id}: expected weights and the network's {CONFIG} or a name that open_clip knows, got "
            f"{'a network without weights' if weights is None else 'weights alone'}; write "
            "open_clip:hf-hub:OWNER/NAME, open_clip:local-dir:/FOLDER with both, or name a file of weights"
        )
    return weights, config


@contextmanager
def _named(entry: EncoderEntry, known: OpenClipConfig | None) -> Iterator[str]:
    """What open_clip calls the network; one of a configuration is a folder with its known part alone."""
    if known is None:
        yield entry.model
        return
    with TemporaryDirectory(prefix="napari-construct-") as folder:
        text = known.model_dump_json(exclude_unset=True)
        (Path(folder) / CONFIG).write_text(text, encoding="utf-8")
        yield f"{LOCAL}{folder}"


def _made(entry: EncoderEntry, make: Callable[[], Any]) -> Any:
    log = logging.getLogger()
    log.addFilter(_not_of_random_weights)
    try:
        return make()
    except LIBRARY_ERRORS as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise EncoderError(
            f"{entry.id}: expected a model that open_clip knows and can load, got: {reason}; check the name"
        ) from error
    finally:
        log.removeFilter(_not_of_random_weights)


def _tokenizer(text: Text, folder: Path) -> Any:
    """The tokenizer of a configuration; of the transformers library only its own classes."""
    given = {} if text.tokenizer_kwargs is None else text.tokenizer_kwargs.model_dump(exclude_none=True)
    if not text.hf_tokenizer_name:
        clean = {"clean": given["clean"]} if "clean" in given else {}
        return SimpleTokenizer(context_length=text.context_length, **clean)
    beside = any((folder / name).is_file() for name in TOKENIZER_FILES)
    return HFTokenizer(
        str(folder) if beside else text.hf_tokenizer_name,
        context_length=text.context_length,
        tokenizer_mode=text.tokenizer_mode,
        trust_remote_code=False,
        **given,
    )


def _not_of_random_weights(record: logging.LogRecord) -> bool:
    """open_clip warns of absent weights where ours are still to come; without any there is an error."""
    said = record.getMessage()
    return "initialized randomly" not in said and "no CLIP weights found" not in said
