"""CONCH's words: the text tower, and the tokens it takes.

The tower is open_clip's CoCa text transformer. Tokens come from a byte-level BPE file that is part of
CONCH's own distribution, which the user has and this package does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from open_clip.transformer import TextTransformer

from napari_construct.exceptions import EncoderError
from napari_construct.reading.foreign import passed_on
from napari_construct.reading.texts.text import read_text
from napari_construct.types import PathLike

PAD, START, END = 0, 1, 2
CONTEXT: Final = 127
VOCABULARY: Final = 32007
TOKENIZER_FILES: Final = ("conch_byte_level_bpe_uncased.json", "tokenizer.json")
LONGEST_TEXT: Final = 20_000


def text_tower() -> TextTransformer:
    """The text transformer under CONCH's parameter names (open_clip's legacy class mask included)."""
    return TextTransformer(
        context_length=CONTEXT,
        vocab_size=VOCABULARY,
        width=768,
        heads=12,
        layers=12,
        output_dim=512,
        embed_cls=True,
        correct_cls_mask=False,
        pad_id=PAD,
        output_tokens=True,
    )


def assemble(ids: Sequence[int]) -> list[int]:
    """Start, text cut to fit, end, padding to 127, and one more 0 where the class token goes: 128 ids."""
    kept = [START, *ids[: CONTEXT - 2], END]
    return kept + [PAD] * (CONTEXT + 1 - len(kept))


def find_tokenizer(beside: PathLike) -> Path | None:
    """The tokenizer file in the folder of the weights, if it is there."""
    folder = Path(beside).parent
    return next((folder / name for name in TOKENIZER_FILES if (folder / name).is_file()), None)


class ConchTokenizer:
    """Texts to (t, 128) ids with the user's byte-level BPE file.

    Parameters
    ----------
    path : path
        JSON of the ``tokenizers`` library, as distributed with CONCH.

    Raises
    ------
    EncoderError
        If the library or the file is absent, the file damaged, or of another vocabulary.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._bpe = self._read()

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        if isinstance(texts, str):
            raise EncoderError("expected a list of texts, got a single one; put it in a list")
        cut = [" ".join(text.split())[:LONGEST_TEXT] for text in texts]
        encodings = self._bpe.encode_batch(cut, add_special_tokens=False)
        return np.array([assemble(e.ids) for e in encodings], dtype=np.int64).reshape(-1, CONTEXT + 1)

    def _read(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise EncoderError(
                "expected the package tokenizers for texts, got none installed; run 'pip install tokenizers'"
            ) from error
        if not self.path.is_file():
            raise EncoderError(
                f"expected CONCH's tokenizer file ({TOKENIZER_FILES[0]}), got none at {self.path}; "
                "download it from the same place as the weights"
            )
        text = read_text(self.path, what="a tokenizer file", largest=2**26, error=EncoderError)
        try:
            bpe = Tokenizer.from_str(text)
        except Exception as error:  # the library raises bare Exception for any bad file
            raise EncoderError(
                f"{self.path}: expected a tokenizer file, got one that cannot be read ({passed_on(error)}); "
                "download it again"
            ) from error
        if bpe.get_vocab_size() > VOCABULARY:
            raise EncoderError(
                f"{self.path}: expected at most {VOCABULARY} tokens, got {bpe.get_vocab_size()}; "
                "choose the file that was published with CONCH"
            )
        bpe.no_padding()
        bpe.no_truncation()
        return bpe
