"""Text of others, shown harmlessly."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_construct.exceptions import CheckpointError, ConfigurationError, InputError
from napari_construct.models.checkpoints.locations import named_file
from napari_construct.reading.foreign import file_name, harmless, path_inside, quoted, without_secrets


@given(
    st.recursive(
        st.text() | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_quotes_are_short_and_printable(value: Any) -> None:
    assert quoted(value).isprintable()
    assert len(quoted(value)) <= 10 * 80  # an escape of one character has up to ten
    assert harmless(value).isprintable()


def test_quotes_of_what_is_endless() -> None:
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    assert len(quoted(deep)) <= 80
    assert len(quoted("x" * 10**7)) < 100
    assert quoted(10**10_000) == "a number of hundreds of digits"
    assert quoted("tumour") == "'tumour'"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://anna:geheim@host/x", "http://***@host/x"),
        ("//u@h", "//***@h"),
        ("https://h/x?token=abc&y=1", "https://h/x?token=***&y=1"),
        ("https://h/x?y=1&X-Amz-Signature=abc", "https://h/x?y=1&X-Amz-Signature=***"),
        ("https://h/x?access_token=abc#f", "https://h/x?access_token=***#f"),
        ("hf_" + "a" * 34, "hf_***"),
        ("text_cfg.hf_tokenizer_name: expected", "text_cfg.hf_tokenizer_name: expected"),
        ("a@b.c and hf_hub are no secrets", "a@b.c and hf_hub are no secrets"),
    ],
)
def test_secrets_of_addresses(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


NAMES = st.text() | st.lists(
    st.sampled_from(["..", "/", "\\", "C:", "\0", "a", ".", " ", "nul", "~", "\n"])
).map("".join)


@given(NAMES)
def test_a_name_stays_one_file(text: str) -> None:
    name = file_name(text)
    assert name
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert name not in (".", "..")
    assert file_name(name) == name
    name.encode()
    try:
        assert named_file(Path("models"), text).parent == Path("models")
    except CheckpointError as error:
        assert "without folders" in str(error)  # noqa: PT017


@given(NAMES)
def test_a_recorded_path_stays_in_its_folder(text: str) -> None:
    folder = Path("/results/run")
    try:
        path = path_inside(folder, text)
    except ConfigurationError:
        return
    assert Path(*path.parts[:3]) == folder
    assert ".." not in path.parts


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "C:\\x", "a/../../x", "\\\\host\\share", "", 3, None, ["a"], "a\0b"]
)
def test_leading_out_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match="expected the name of a file in this folder"):
        path_inside(Path("out"), name, InputError)


@pytest.mark.parametrize("part", ["A", "//", "//a", "http:", "?token=", "hf_", "a.b+c-"])
def test_secrets_are_looked_for_in_linear_time(part: str) -> None:
    started = time.process_time()
    without_secrets(part * 100_000)
    assert time.process_time() - started < 2
