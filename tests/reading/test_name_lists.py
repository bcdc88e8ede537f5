from __future__ import annotations

import shlex
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.exceptions import ConfigurationError
from napari_construct.reading.name_lists import names_as_text, parse_names, split_quoted, unquoted

ODD = st.sampled_from([*",;:=\"'|{}[]\\/%$&<>* \t", "é", "😀", "\u0301", "\u200d", "臓"])
NAMES = (
    st.text(ODD | st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=40)
    .map(str.strip)
    .filter(bool)
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b,c", ("a", "b", "c")),
        (" a , b ", ("a", "b")),
        ('"stroma, loose",tumour', ("stroma, loose", "tumour")),
        ('tumour, "stroma, loose"', ("tumour", "stroma, loose")),
        ('"say ""hi""",5" lens', ('say "hi"', '5" lens')),
        ("a,,b,", ("a", "b")),
        ("", ()),
        ("key=value; other: x", ("key=value; other: x",)),
    ],
)
def test_names_separated_by_commas(text, names):
    assert parse_names(text) == names


def test_a_whole_text_that_is_a_known_name_is_that_name():
    known = ("stroma, loose", "tumour")
    assert parse_names("stroma, loose", known) == ("stroma, loose",)
    assert parse_names(["stroma, loose", "tumour"], known) == known
    assert parse_names("stroma, loose") == ("stroma", "loose")
    composed, decomposed = (unicodedata.normalize(form, "Drüse") for form in ("NFC", "NFD"))
    assert parse_names(decomposed, (composed,)) == (composed,)


def test_an_open_quote_is_named():
    with pytest.raises(ConfigurationError, match="expected a closing quote"):
        parse_names('"stroma, loose')


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_every_list_of_names_can_be_typed(names):
    assert parse_names(names_as_text(names)) == tuple(names)
    assert parse_names(names_as_text(names, all_quoted=True)) == tuple(names)
    (word,) = shlex.split(shlex.join([names_as_text(names)]))
    assert parse_names(word) == tuple(names)


@given(st.lists(NAMES, min_size=1, max_size=5), st.sampled_from(";:|"))
def test_other_separators(names, separator):
    text = names_as_text(names, separator=separator, all_quoted=True)
    assert [unquoted(piece) for piece in split_quoted(text, separator)] == names
