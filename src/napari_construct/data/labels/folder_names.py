"""What the names of folders say: splits, images, masks, a system's own folders; or that they are classes.

Names are read as words: ``1.training``, ``Train-set`` and ``x_train2`` say "train", whatever stands beside it
only numbers it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from napari_construct.data.labels.wording import spellings
from napari_construct.data.listing import is_system
from napari_construct.reading.names import normal

Kind: TypeAlias = Literal["split", "images", "masks", "system", "other"]

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")

_WHICH: Final[Mapping[Literal["train", "val", "test"], frozenset[str]]] = {
    "train": spellings(
        "train training trainset traindata trn trainingsdaten entrenamiento entrainement apprentissage "
        "addestramento treino 训练 训练集 訓練 学習"
    ),
    "val": spellings(
        "val valid validation validate validating valset dev devset validierung validierungsdaten validacion "
        "validazione validacao 验证 验证集 検証"
    ),
    "test": spellings(
        "test testing tests testset testdata holdout heldout eval evaluation testdaten prueba pruebas teste "
        "测试 测试集 テスト"
    ),
}
_SHORT_SPLITS: Final = spellings("tr va vl te ts tst")
"""Splits only beside each other."""
_SPLITS: Final = frozenset().union(*_WHICH.values(), ("trainval", "unlabeled", "unlabelled"))
_NUMBERED_SPLITS: Final = spellings("fold split set subset part partition cv kfold")
_IMAGES: Final = spellings(
    "image images img imgs picture pictures photo photos patch patches tile tiles rgb png pngs jpg jpeg "
    "jpgs tif tiff original originals input inputs"
)
_MASKS: Final = spellings(
    "mask masks label labels labelmap labelmaps annotation annotations annot annots anno ann gt gts "
    "groundtruth truth seg segs segmentation segmentations xml xmls json jsons geojson csv overlay "
    "overlays"
)
_BESIDE: Final = spellings(
    "set sets data dataset datasets image images img imgs patch patches tile tiles split splits fold "
    "folds subset the all full small large mini final new old raw internal external phase stage he dir "
    "folder"
)
"""Words that change nothing beside others."""

_NO_TISSUE: Final = spellings(
    "__pycache__ @recycle @recently-snapshot @tmp #snapshot recycler found.000 _gsdata_ trash tmp temp cache "
    "log logs checkpoints"
)
"""Beside those of every system: no folder of these names is a class, though images in it may be read."""

_SMALL: Final = spellings(
    "preview previews thumb thumbs thumbnail thumbnails overview overviews heatmap heatmaps"
)
_BEARERS: Final = spellings(
    "patient patients pat pt case cases slide slides wsi wsis subject subj sub specimen biopsy donor "
    "sample samples scan scans block tma core spot roi region pid sid id"
)
_CENTRES: Final = spellings(
    "cohort cohorts center centre centers centres hospital site sites scanner lab institute institution "
    "clinic"
)
_MAGNIFICATION: Final = re.compile(r"(mag(nification)?[ _-]*)?\d+([.,]\d+)?[ _-]?x$", re.IGNORECASE)
_PLACE: Final = re.compile(r"[xr](ow)?[ _-]?\d+[ _,-]+[yc](ol)?[ _-]?\d+", re.IGNORECASE)
_ACCESSION: Final = re.compile(r"[a-z]{0,3}\d{2,4}[-_]\d{2,}(?!\d)", re.IGNORECASE)
_MANY_DIGITS: Final = 5
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)
_BARCODE: Final = re.compile(r"(TCGA|GTEX|CPTAC|HTAN|C3[LN]|HCMI)-", re.IGNORECASE)
_DATE: Final = re.compile(
    r"(19|20)\d\d([-_. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)"
    r"|(0?[1-9]|[12]\d|3[01])([-_. ])(0?[1-9]|1[0-2])\6(19|20)\d\d(?!\d)"
)


@lru_cache(maxsize=4096)
def kind_of(name: str) -> Kind:
    """What a folder's name says about its content."""
    plain = normal(name).strip()
    if plain.startswith(".") or is_system(plain) or plain.casefold() in _NO_TISSUE:
        return "system"
    return _kind_by_words(_words(plain))


def _kind_by_words(words: Sequence[str]) -> Kind:
    numbers = {word for word in words if word.isdigit() or len(word) == 1}
    rest = set(words) - numbers
    if rest & _SMALL and rest <= _SMALL | _IMAGES | _BEARERS | _BESIDE:
        return "system"
    if rest & _SPLITS and rest <= _SPLITS | _NUMBERED_SPLITS | _BESIDE:
        return "split"
    if rest & _NUMBERED_SPLITS and numbers and rest <= _NUMBERED_SPLITS | _BESIDE:
        return "split"
    if words and words[-1] not in numbers:  # label_0 and label_1 may be classes
        if rest & _MASKS and rest <= _MASKS | _IMAGES | _BESIDE | _SHORT_SPLITS:
            return "masks"
        if rest & _IMAGES and rest <= _IMAGES | _BESIDE | _SHORT_SPLITS:
            return "images"
    return "other"


def split_of(name: str) -> Literal["train", "val", "test"] | None:
    """Which split a folder's name says; None of another folder, and of numbered folds."""
    words = frozenset(_words(normal(name))) if kind_of(name) == "split" else frozenset()
    said = [split for split, written in _WHICH.items() if words & written]
    return said[0] if len(said) == 1 else None


def same_but_for_split(names: Sequence[str]) -> tuple[str, ...]:
    """Names that differ from another one by a split's word only, as ``bcss_train`` and ``bcss_val`` do.

    Also ``tr``, ``va`` and ``te`` beside each other.
    """
    short = tuple(name for name in names if _without_numbers(name) in _SHORT_SPLITS)
    if len({_without_numbers(name) for name in short}) > 1:
        return short
    rests: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        words = _words(normal(name))
        rest = tuple(word for word in words if word not in _SPLITS)
        if len(rest) < len(words):
            rests.setdefault(rest, []).append(name)
    return tuple(name for group in rests.values() if len(group) > 1 for name in group)


def bearers(names: Sequence[str]) -> str:
    """What all the names seem to be instead of classes: "dates", "patients or slides" ...; or nothing."""
    plain = [normal(name).strip() for name in names]
    kinds: dict[str, Callable[[str], object]] = {
        "dates": _DATE.match,
        "magnifications": _MAGNIFICATION.match,
        "places": _PLACE.match,
        "patients or slides": _is_bearer,
        "centres": lambda name: _is_numbered(name, _CENTRES),
    }
    return next((what for what, fits in kinds.items() if plain and all(map(fits, plain))), "")


def begins_with_digit(name: str) -> bool:
    """Whether a name is a number or a magnification (``1``, ``40X``)."""
    return name[:1].isdigit()


def _is_bearer(name: str) -> bool:
    if any(pattern.match(name) for pattern in (_UUID, _BARCODE, _DATE, _ACCESSION)):
        return True
    if _is_numbered(name, _BEARERS):
        return True
    digits = sum(map(str.isdigit, name))
    return digits >= _MANY_DIGITS and 2 * digits >= sum(map(str.isalnum, name))


def _is_numbered(name: str, of: frozenset[str]) -> bool:
    """Whether a name is one of these words, or several, with a number or a letter."""
    rest = {word for word in _words(name) if not (word.isdigit() or len(word) == 1)}
    return bool(rest) and rest <= of and len(rest) < len(_words(name))


def _without_numbers(name: str) -> str:
    return " ".join(word for word in _words(normal(name)) if not word.isdigit())


def _words(name: str) -> list[str]:
    # without accents, which would part a word of decomposed letters
    letters = unicodedata.normalize("NFD", name)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    found = [word.casefold() for word in _WORDS.findall(plain)]
    joined = " ".join(found)
    for two, one in (("hold out", "holdout"), ("held out", "heldout"), ("ground truth", "groundtruth")):
        joined = joined.replace(two, one)
    return joined.split()
