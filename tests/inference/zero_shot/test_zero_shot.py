"""Maps before any training: from words with a small random CLIP, from examples with the bundled encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIP
from PIL import Image

from napari_construct.classes import ClassTable, TissueClass
from napari_construct.encoders.catalogue.lookup import create_encoder
from napari_construct.encoders.networks.attentions import ATTENTIONS
from napari_construct.encoders.networks.dense import last_block
from napari_construct.encoders.networks.open_clip import OpenClipEncoder
from napari_construct.exceptions import ConfigurationError, EncoderError, InputError
from napari_construct.inference.loading import load_model
from napari_construct.inference.segment import segment
from napari_construct.inference.zero_shot.predictor import load_zero_shot
from napari_construct.inference.zero_shot.settings import ZeroShotSettings
from napari_construct.models.network.descriptions import (
    classes_as_text,
    descriptions,
    filled,
    parse_classes,
)
from napari_construct.models.network.prompts import text_prototypes

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
OWN = {"layers": 4, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64}
TIMM = {
    "timm_model_name": "vit_tiny_patch16_224",
    "timm_pool": "token",
    "timm_proj": "linear",
    "image_size": 224,
}
WORDS = "tumour: malignant glands | carcinoma; stroma: fibrous tissue"


@pytest.fixture(scope="module", params=["own", "timm"])
def clip(request: pytest.FixtureRequest) -> OpenClipEncoder:
    torch.manual_seed(0)
    vision = OWN if request.param == "own" else TIMM
    model = CLIP(embed_dim=16, vision_cfg=vision, text_cfg=TEXT).eval()
    return OpenClipEncoder(model, "open_clip:small", open_clip.get_tokenizer("ViT-B-16"))


@pytest.fixture(scope="module")
def region(camelyon: Path) -> np.ndarray:
    (path,) = (camelyon / "val" / "img").glob("*.png")
    return np.array(Image.open(path).convert("RGB"))


def test_classes_as_users_write_them(tmp_path: Path) -> None:
    table = parse_classes(WORDS)
    assert table.names == ("tumour", "stroma")
    assert descriptions(table[0]) == ("malignant glands", "carcinoma")
    assert parse_classes("tumour, stroma").names == ("tumour", "stroma")
    assert descriptions(parse_classes("a;b")[1]) == ("b",)
    table.save(tmp_path / "c.csv")
    assert parse_classes(str(tmp_path / "c.csv")) == table
    assert filled("fat", ("a {}.", "{}")) == ("a fat.", "fat")
    assert filled("x" * 100) == ("x" * 100,)
    with pytest.raises(ConfigurationError, match="expected classes as 'tumour: malignant glands; "):
        parse_classes("tumour: a; tumour: b")
    with pytest.raises(ConfigurationError):
        parse_classes(" ")


def test_a_table_as_text_has_the_same_words() -> None:
    table = parse_classes(WORDS)
    assert classes_as_text(table) == WORDS
    assert classes_as_text(parse_classes("a;b")) == "a; b"
    odd = ClassTable(
        classes=(
            TissueClass(name="a: b", prompt="glands; nests", colour="#123456"),
            TissueClass(name="c", prompt="Stroma: collagen"),
        )
    )
    assert classes_as_text(odd).startswith("{")
    for one in (odd, odd.model_copy(update={"classes": odd.classes[1:]}), parse_classes("tumour: red, blue")):
        found = parse_classes(classes_as_text(one))
        assert [(t.name, t.prompt) for t in found] == [(t.name, t.prompt) for t in one]


def test_settings_are_checked() -> None:
    words = ZeroShotSettings.checked(encoder="conch", classes=WORDS)
    assert words.classes == parse_classes(WORDS)
    assert hash(words) == hash(ZeroShotSettings(encoder="conch", classes=parse_classes(WORDS)))
    with pytest.raises(
        ConfigurationError, match=r"templates: expected templates with one \{\} each, got 'x'"
    ):
        ZeroShotSettings.checked(encoder="conch", classes=WORDS, templates=("x",))
    with pytest.raises(ConfigurationError, match="setting attention: expected 'maskclip'"):
        ZeroShotSettings.checked(encoder="conch", classes=WORDS, attention="x")


def test_words_are_a_model_like_any_other(small_clip: str, region: np.ndarray) -> None:
    image = region[:96, :128]
    words = ZeroShotSettings(encoder=small_clip, classes=WORDS, prompt_ensemble="prototypes")
    result = segment(image, words, crf=None, tile=64, overlap=0, device="cpu")
    expected = load_zero_shot(small_clip, WORDS, prompt_ensemble="prototypes", device="cpu")
    np.testing.assert_array_equal(result.cams, segment(image, expected, crf=None, tile=64, overlap=0).cams)
    # other words for the same encoder: as if it had been loaded anew, but its weights are not read again
    other = words.model_copy(update={"classes": parse_classes("fat; gland"), "attention": "maskclip"})
    loaded = load_model(words, device="cpu")
    described = loaded.described(other)  # type: ignore[attr-defined]
    assert described.network.encoder is loaded.network.encoder
    anew = segment(image, other, crf=None, tile=64, overlap=0, device="cpu")
    np.testing.assert_array_equal(segment(image, described, crf=None, tile=64, overlap=0).cams, anew.cams)
    assert described.classes.names == ("fat", "gland")


def test_descriptions_are_averaged_or_kept(clip: OpenClipEncoder) -> None:
    table = parse_classes(WORDS)
    mean = text_prototypes(clip, table)
    several = text_prototypes(clip, table, prompt_ensemble="prototypes")
    assert (mean.shape, several.shape) == ((2, 1, 16), (2, 2, 16))
    torch.testing.assert_close(several.norm(dim=-1), torch.ones(2, 2))
    torch.testing.assert_close(several[1, 0], several[1, 1])  # one description, repeated
    torch.testing.assert_close(mean[0, 0], torch.nn.functional.normalize(several[0].mean(0), dim=-1))
    with pytest.raises(ConfigurationError, match=r"templates with one \{\} each"):
        text_prototypes(clip, table, templates=("no place",))
    with pytest.raises(EncoderError, match="mini: expected an encoder that embeds texts"):
        text_prototypes(create_encoder("mini"), table)


def test_unchanged_attention_is_the_models_own_last_block(clip: OpenClipEncoder) -> None:
    visual = clip.clip.visual
    block = visual.trunk.blocks[-1] if hasattr(visual, "trunk") else visual.transformer.resblocks[-1]
    width = clip.spec.channels[0]
    tokens = torch.randn(2, 5, width)
    with torch.no_grad():
        torch.testing.assert_close(last_block(block, tokens, "none"), block(tokens), rtol=1e-4, atol=1e-5)
        # one token can attend to itself alone: every attention is its value then
        alone = [last_block(block, tokens[:, :1], name) for name in ("maskclip", "clearclip")]
        torch.testing.assert_close(*alone)
        surgery = last_block(block, tokens[:, :1], "clip_surgery")
        torch.testing.assert_close(surgery - tokens[:, :1], alone[0], rtol=1e-4, atol=1e-5)
        # without mixing, a patch's embedding does not depend on the others
        changed = tokens.clone()
        changed[:, 3:] += 1
        kept = [last_block(block, t, "maskclip")[:, :3] for t in (tokens, changed)]
        torch.testing.assert_close(*kept)


def test_unchanged_class_token_is_the_image_embedding(clip: OpenClipEncoder) -> None:
    """All steps but the last attention are the model's: its class token comes out as it was trained."""
    if hasattr(clip.clip.visual, "trunk"):
        pytest.skip("the same steps, in timm's own forward")
    images = torch.rand(1, 3, 64, 64)
    captured = []
    original = clip.clip.visual.ln_post.forward
    clip.clip.visual.ln_post.forward = lambda x: captured.append(original(x)) or captured[-1]
    try:
        with torch.no_grad():
            clip.embed_patches(images, "none")
            embedded = clip.embed_images(images)
    finally:
        del clip.clip.visual.ln_post.forward
    token = torch.nn.functional.normalize(captured[0][:, 0] @ clip.clip.visual.proj, dim=-1)
    torch.testing.assert_close(token, embedded, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_segments_from_words(clip: OpenClipEncoder, region: np.ndarray, attention: str) -> None:
    predictor = load_zero_shot(clip, WORDS, attention=attention, device="cpu")  # type: ignore[arg-type]
    result = segment(region[:96, :128], predictor, crf=None, tile=64, overlap=0)
    assert result.labels.shape == (96, 128)
    assert result.presence == (True, True)
    assert set(np.unique(result.labels)) <= {0, 1, 2}
    assert result.record["model"]["name"] == "zero-shot open_clip:small"
    assert result.record["model"]["zero_shot"]["attention"] == attention
    assert result.record["model"]["zero_shot"]["classes"]["stroma"] == "fibrous tissue"


def test_one_class_is_compared_with_neutral_words(clip: OpenClipEncoder, region: np.ndarray) -> None:
    predictor = load_zero_shot(clip, "tumour", device="cpu")
    maps = predictor.logits(torch.rand(1, 3, 64, 64))
    assert maps.shape == (1, 1, 4, 4)
    assert maps.abs().max() > 0
    two = load_zero_shot(clip, "tumour; stroma", device="cpu").logits(torch.rand(1, 3, 64, 64))
    torch.testing.assert_close(two.sum(1), torch.zeros(1, 4, 4), rtol=0, atol=1e-4)


def test_examples_work_with_an_encoder_without_words(camelyon: Path, region: np.ndarray) -> None:
    """The bundled encoder and three marked patches of each class tell them apart on another slide."""
    examples = [
        (np.array(Image.open(path).convert("RGB")), np.full((128, 128), i, np.uint8))
        for i, name in enumerate(("tumour", "lymphoid"))
        for path in sorted((camelyon / "train" / name).glob("*.png"))
    ]
    predictor = load_zero_shot("mini", "tumour; lymphoid", examples=examples, examples_mpp=0.25, device="cpu")
    assert predictor.mpp == 0.5
    result = segment(region, predictor, crf=None, mpp=0.25)
    (path,) = (camelyon / "val" / "mask").glob("*.png")
    truth = np.array(Image.open(path))
    tumour, lymphoid = (result.cams[0][truth == i] for i in (0, 1))
    # how often a pixel of tumour is more tumour-like than one of lymphoid tissue; where to cut between
    # them shifts from slide to slide, which no example of other slides can tell
    drawn = np.random.default_rng(0).integers(0, min(len(tumour), len(lymphoid)), 4000)
    assert (tumour[drawn] > lymphoid[drawn]).mean() > 0.8
    with pytest.raises(InputError, match="got none of class 1"):
        load_zero_shot("mini", "a; b", examples=examples[:1])
    with pytest.raises(ConfigurationError, match="at least two classes"):
        load_zero_shot("mini", "a", examples=examples)
    with pytest.raises(InputError, match="a mask of the image"):
        load_zero_shot("mini", "a; b", examples=[(region, np.zeros((8, 8), np.uint8))])
    with pytest.raises(EncoderError, match="or give example regions"):
        load_zero_shot("mini", "a; b")
