from __future__ import annotations

from typing import Annotated, Literal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import Field, model_validator
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QGroupBox, QLineEdit, QSlider, QWidget

from napari_construct.exceptions import ConfigurationError
from napari_construct.settings import Settings
from napari_construct.widgets.fields.fields import NumberField
from napari_construct.widgets.fields.rows import Group, Row
from napari_construct.widgets.fields.settings_form import SettingsForm

pytestmark = pytest.mark.gui


class Stain(Settings):
    gain: Annotated[float, Field(gt=0, le=50)] = 1.5
    rounds: Annotated[int, Field(ge=0, le=20)] = 5
    without_row: bool = True


class Look(Settings):
    tile: Annotated[int, Field(ge=64, le=4096)] = 512
    overlap: Annotated[int, Field(ge=0, le=1024)] = 64
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    mpp: Annotated[float, Field(gt=0, le=100)] | None = None
    share: Annotated[float, Field(ge=0, lt=1)] | None = 0.3
    epochs: Annotated[int, Field(ge=1)] | None = None
    presence: Annotated[float, Field(ge=0, le=1)] | None = None
    rate: Annotated[float, Field(gt=0)] | Literal["auto"] | None = "auto"
    views: Literal["one", "four"] | None = None
    keep: Literal["last", "best"] = "last"
    live: bool = True
    pattern: str | None = None
    stain: Stain | Literal["auto"] | None = Stain()
    kept: Stain | Literal["auto"] | None = "auto"
    weights: Stain = Stain(gain=3)
    name: str = ""
    templates: tuple[str, ...] = ("{}",)
    without_row: str = "as set"

    @model_validator(mode="after")
    def _agree(self) -> Look:
        if 2 * self.overlap > self.tile:
            raise ValueError("expected an overlap of at most half of the tile; take less")
        return self


ROWS = (
    Row("tile", "Tile", "Side of a tile", unit="px", step=64),
    Row("overlap", "Overlap", "Shared by tiles", unit="px"),
    Row("seed", "Seed", "Of the order"),
    Row("mpp", "µm per pixel", "Of the image", none="from layer", decimals=4),
    Group("Advanced", "All else", folded=True, rows=(
        Row("share", "Average after", "Fraction of the steps", none="never"),
        Row("epochs", "Epochs", "How often"),
        Row("presence", "Min. presence", "Least probability", usual=(0, 1), start=0.5),
        Row("rate", "Rate", "Of the encoder", choices={"auto": "Automatic", None: "Frozen"}),
        Row("views", "Views", "That are averaged", choices={None: "automatic", "one": "one", "four": "four"}),
        Row("keep", "Keep the best", "Not the last", states=("last", "best")),
        Row("kept", "Kept", "As it was set", choices={"auto": "auto", Stain(): "on", None: "off"}),
        Row("live", "Live", "Follow every change"),
        Row("pattern", "Patient", "In the name", hint="e.g. p"),
        Row("name", "Name", "Of the encoder", live=True),
        Row("templates", "Templates", "Of descriptions", separator="|"),
        Row("weights.gain", "Gain", "Of the weights"),
    )),
    Group("Stain", "How it is stained", key="stain", start=Stain(), rows=(
        Row("stain.gain", "Gain", "How much", usual=(0, 20)),
        Row("stain.rounds", "Rounds", "How often", usual=(0, 10)),
    )),
)  # fmt: skip


def looks() -> st.SearchStrategy[Look]:
    stains = st.builds(
        Stain,
        gain=st.floats(0, 50, exclude_min=True),
        rounds=st.integers(0, 20),
        without_row=st.booleans(),
    )
    return st.builds(
        Look,
        tile=st.integers(2048, 4096),
        overlap=st.integers(0, 1024),
        seed=st.integers(0, 2**63 - 1),
        mpp=st.none() | st.floats(0, 100, exclude_min=True),
        share=st.none() | st.floats(0, 1, exclude_max=True),
        epochs=st.none() | st.integers(1, 10**15),
        presence=st.none() | st.floats(0, 1),
        rate=st.none() | st.just("auto") | st.floats(1e-9, 1),
        views=st.sampled_from([None, "one", "four"]),
        keep=st.sampled_from(["last", "best"]),
        live=st.booleans(),
        pattern=st.none() | st.just("(p[0-9]+)_"),
        stain=st.none() | stains,
        kept=st.none() | st.just("auto") | stains,
        weights=stains,
        name=st.sampled_from(["", "mini", "timm:NAME"]),
        templates=st.sampled_from([("{}",), ("an H&E image of {}", "{} of tissue"), ()]),
        without_row=st.text(),
    )


@pytest.fixture
def form(qtbot) -> SettingsForm[Look]:
    made = SettingsForm(Look(), ROWS)
    qtbot.addWidget(made)
    return made


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=looks())
def test_value_is_what_was_set(form, value: Look) -> None:
    form.setValue(value)
    assert form.value() == value
    assert form.problem() == ""


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=looks(), other=looks())
def test_setting_is_told_once_and_only_if_it_is_a_change(form, value: Look, other: Look) -> None:
    form.setValue(value)
    told: list[Look] = []

    def tell() -> None:
        told.append(form.value())

    form.valueChanged.connect(tell)
    form.setValue(value)
    assert told == []
    form.setValue(other)
    assert told == ([] if other == value else [other])
    form.valueChanged.disconnect(tell)


@pytest.mark.parametrize(
    ("key", "by_hand", "expected"),
    [
        ("tile", lambda field: field.stepUp(), {"tile": 576}),
        ("mpp", lambda field: field.setValue(0.25), {"mpp": 0.25}),
        ("epochs", lambda field: field.setValue(7), {"epochs": 7}),
        ("share", lambda field: field.setValue(field.minimum()), {"share": None}),
        ("rate", lambda field: field.setCurrentIndex(1), {"rate": None}),
        ("keep", lambda field: field.click(), {"keep": "best"}),
        ("live", lambda field: field.click(), {"live": False}),
        ("weights.gain", lambda field: field.stepDown(), {"weights": Stain(gain=2.95)}),
        ("stain.rounds", lambda field: field.findChild(QSlider).setValue(3), {"stain": Stain(rounds=3)}),
    ],
)
def test_a_users_change_is_told_once(qtbot, form, key, by_hand, expected) -> None:
    told = []
    form.valueChanged.connect(lambda: told.append(form.value()))
    by_hand(form.field(key))
    assert told == [Look().changed(**expected)]


def test_a_text_is_told_when_it_is_complete(qtbot, form) -> None:
    told = []
    form.valueChanged.connect(lambda: told.append(form.value().pattern))
    line = next(line for line in form.findChildren(QLineEdit) if line.accessibleName() == "Patient")
    qtbot.keyClicks(line, "p1")
    assert told == []
    qtbot.keyClick(line, Qt.Key.Key_Return)
    line.editingFinished.emit()  # and when the focus leaves it
    assert told == ["p1"]


def test_a_live_text_is_told_at_every_letter(qtbot, form) -> None:
    told = []
    form.valueChanged.connect(lambda: told.append(form.value().name))
    qtbot.keyClicks(form.field("name"), "abc")
    assert told == ["a", "ab", "abc"]


def test_ranges_are_those_of_the_settings(form) -> None:
    for key, lowest, highest in (
        ("tile", 64, 4096),
        ("overlap", 0, 1024),
        ("mpp", 0, 100),  # 0 stands for None: it must not be reached
        ("share", -0.05, 0.99),
        ("epochs", 0, 1e12),
        ("weights.gain", 0.01, 50),
    ):
        field = form.field(key)
        assert (field.minimum(), field.maximum()) == pytest.approx((lowest, highest)), key


def test_settings_that_contradict_each_other_are_named(form) -> None:
    form.field("overlap").put(256)
    assert form.problem() == ""
    form.field("overlap").put(257)
    assert "at most half of the tile" in form.problem()
    assert form.known() is None
    with pytest.raises(ConfigurationError):
        form.value()
    form.setValue(Look())
    assert form.value() == Look()


def test_a_part_without_a_tick_is_none_and_keeps_its_numbers(qtbot, form) -> None:
    box = next(box for box in form.findChildren(QGroupBox) if box.title() == "Stain")
    form.setValue(Look(stain=Stain(gain=7, without_row=False)))
    box.setChecked(False)
    assert form.value().stain is None
    box.setChecked(True)
    assert form.value().stain == Stain(gain=7, without_row=False)


def test_what_is_none_begins_where_it_is_told_to(form) -> None:
    form.setValue(Look(stain=None))
    form.setStart("stain", Stain(gain=9))
    assert form.value().stain is None
    box = next(box for box in form.findChildren(QGroupBox) if box.title() == "Stain")
    box.setChecked(True)
    assert form.value().stain == Stain(gain=9)
    tick = next(tick for tick in form.findChildren(QCheckBox) if tick.text() == "Min. presence")
    assert not form.field("presence").isEnabled()
    tick.setChecked(True)
    assert form.value().presence == 0.5
    assert form.field("presence").isEnabled()


def test_rows_are_hidden_with_their_labels(form) -> None:
    form.setRowVisible("tile", visible=False)
    assert not form.field("tile").isVisibleTo(form)
    assert not form.layout().labelForField(form.field("tile")).isVisibleTo(form)
    assert form.value() == Look()


def test_every_control_is_described(form) -> None:
    for control in (*form.findChildren(NumberField), *form.findChildren(QSlider), form.field("rate")):
        assert control.toolTip()
        assert control.accessibleName()
    assert form.field("tile").accessibleName() == "Tile (px)"


def test_a_control_in_another_place_is_still_edited_by_its_form(qtbot, form) -> None:
    elsewhere = QWidget()
    qtbot.addWidget(elsewhere)
    form.moveRow("tile", QFormLayout(elsewhere))
    assert elsewhere.isAncestorOf(form.field("tile"))
    with qtbot.waitSignal(form.valueChanged):
        form.field("tile").put(256)
    assert form.value().tile == 256


def test_rows_that_differ_from_their_default_are_marked(qtbot):
    form = SettingsForm(Look(), ROWS)
    qtbot.addWidget(form)
    assert form.changedRows() == ()
    form.setValue(Look(tile=128, share=None, live=False, weights=Stain(gain=7)))
    assert set(form.changedRows()) == {"tile", "share", "live", "weights.gain"}
    form.field("tile").put(512)
    assert "tile" not in form.changedRows()
    form.setDefault("tile", 256)
    assert "tile" in form.changedRows()
    form.setValue(Look(tile=256))
    assert form.changedRows() == ()
