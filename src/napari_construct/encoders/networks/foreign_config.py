"""Configurations that come with weights of others: known keys within bounds, and nothing else.

The libraries hand such a configuration on to whatever it names: other repositories, folders, downloads,
tokenizers whose code is fetched and run (``trust_remote_code``), sizes that no computer has. Only what is
declared here reaches a library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import timm
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_construct.exceptions import EncoderError
from napari_construct.reading.texts.json import read_json
from napari_construct.settings import problem

LARGEST: Final = 2**20
"""Bytes of a configuration."""

TEXT_NETWORKS: Final = frozenset(
    {
        "bert-base-uncased", "facebook/nllb-200-distilled-1.3B", "facebook/nllb-200-distilled-600M",
        "facebook/xlm-v-base", "google/mt5-base", "google/mt5-xl", "roberta-base", "xlm-roberta-base",
        "xlm-roberta-large", "emilyalsentzer/Bio_ClinicalBERT",
        "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract",
        "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
        "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract",
        "microsoft/BiomedNLP-PubMedBERT-base-uncased-abstract-fulltext",
    }
)  # fmt: skip
"""Text networks and tokenizers of the transformers library that are known to need no code of their own."""


def known_text_network(name: str) -> str:
    """``name``, if it is one of :data:`TEXT_NETWORKS`, or a tokenizer of timm's SigLIP models."""
    if (name in TEXT_NETWORKS or name.startswith("timm/ViT-")) and not Path(name).exists():
        return name
    raise ValueError(f"expected a text network or tokenizer that is known to be harmless, got {name[:80]!r}")


def known_timm_network(name: str) -> str:
    """``name``, if timm itself has a network of it: no repository, no folder."""
    if len(name) > 200 or set(name) & set(":/\\@") or not timm.is_model(name):
        raise ValueError(f"expected a network that timm knows, got {name[:80]!r}")
    return name


_Model = TypeVar("_Model", bound=BaseModel)
_Depth = Annotated[int, Field(ge=1, le=100)]
_Width = Annotated[int, Field(ge=1, le=8192)]
_Heads = Annotated[int, Field(ge=1, le=128)]
_Ratio = Annotated[float, Field(gt=0, le=16)]
_Share = Annotated[float, Field(ge=0, lt=1)]
_Side = Annotated[int, Field(ge=1, le=4096)]
_Sides = _Side | tuple[_Side, _Side]
_Cell = Annotated[int, Field(ge=1, le=128)]
_Scale = Annotated[float, Field(ge=0, le=10)]
_Word = Annotated[str, Field(pattern=r"^\w{0,40}$")]
_Logit = Annotated[float, Field(ge=-1000, le=1000)]
_TextNetwork = Annotated[str, AfterValidator(known_text_network)]
_TimmNetwork = Annotated[str, AfterValidator(known_timm_network)]
_Level = Annotated[float, Field(ge=-10, le=10)]
_Spread = Annotated[float, Field(gt=0, le=10)]


class _Known(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Normalisation(_Known):
    """Mean and standard deviation of RGB in [0, 1]; the rest of a preprocessing is not used."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mean: tuple[_Level, _Level, _Level] | None = None
    std: tuple[_Spread, _Spread, _Spread] | None = None


class _Blocks(_Known):
    """What towers of images and texts share, as open_clip calls it."""

    mlp_ratio: _Ratio = 4.0
    ls_init_value: _Scale | None = None
    final_ln_after_pool: bool = False
    pool_type: _Word | None = None
    output_tokens: bool = False
    act_kwargs: dict[Literal["approximate"], _Word] | None = None
    norm_kwargs: dict[Literal["eps"], Annotated[float, Field(gt=0, lt=1)]] | None = None
    block_type: _Word | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False


class Vision(_Blocks):
    """``vision_cfg`` of open_clip."""

    layers: _Depth | tuple[_Depth, _Depth, _Depth, _Depth] = 12
    width: _Width = 768
    head_width: _Width = 64
    patch_size: _Cell | None = 16
    image_size: _Sides = 224
    patch_dropout: _Share = 0.0
    attentional_pool: bool | _Word = False
    attn_pooler_queries: _Side = 256
    attn_pooler_heads: _Heads = 8
    no_ln_pre: bool = False
    pos_embed_type: _Word = "learnable"
    timm_model_name: _TimmNetwork | None = None
    timm_model_pretrained: bool = False
    timm_pool: _Word = "avg"
    timm_proj: _Word | None = "linear"
    timm_proj_bias: bool = False
    timm_drop: _Share = 0.0
    timm_drop_path: _Share | None = None


class TokenizerOptions(_Known):
    """``tokenizer_kwargs`` of open_clip; those of the transformers library are not handed on."""

    clean: Literal["canonicalize", "lower", "whitespace"] | None = None
    strip_sep_token: bool | None = None
    language: _Word | None = None


class Text(_Blocks):
    """``text_cfg`` of open_clip."""

    context_length: _Side = 77
    vocab_size: Annotated[int, Field(ge=1, le=2_000_000)] = 49408
    hf_tokenizer_name: Literal[""] | _TextNetwork | None = None
    tokenizer_mode: _Word | None = None
    tokenizer_kwargs: TokenizerOptions | None = None
    width: _Width = 512
    heads: _Heads = 8
    layers: _Depth = 12
    embed_cls: bool = False
    pad_id: Annotated[int, Field(ge=0, le=2_000_000)] = 0
    eos_id: Annotated[int, Field(ge=0, le=2_000_000)] = 2
    no_causal_mask: bool = False
    proj_bias: bool = False
    proj_type: _Word | None = "linear"
    hf_model_name: _TextNetwork | None = None
    hf_model_pretrained: bool = False
    hf_proj_type: _Word | None = "mlp"
    hf_pooler_type: _Word | None = "mean_pooler"


class Decoder(Text):
    """``multimodal_cfg`` of open_clip's CoCa; it is loaded and not used."""

    dim_head: _Width = 64
    n_queries: _Side = 256
    attn_pooler_heads: _Heads = 8


class Clip(_Known):
    """``model_cfg`` of open_clip."""

    embed_dim: _Width
    vision_cfg: Vision
    text_cfg: Text
    multimodal_cfg: Decoder | None = None
    quick_gelu: bool = False
    custom_text: bool = False
    init_logit_scale: _Logit | None = None
    init_logit_bias: _Logit | None = None
    nonscalar_logit_scale: bool = False


class OpenClipConfig(BaseModel):
    """``open_clip_config.json``."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    model_cfg: Clip
    preprocess_cfg: Normalisation = Normalisation()


class TimmArguments(_Known):
    """Arguments of a vision transformer in timm."""

    img_size: _Sides | None = None
    patch_size: _Cell | tuple[_Cell, _Cell] | None = None
    embed_dim: _Width | None = None
    depth: _Depth | None = None
    num_heads: _Heads | None = None
    mlp_ratio: _Ratio | None = None
    qkv_bias: bool | None = None
    qk_norm: bool | None = None
    scale_attn_norm: bool | None = None
    scale_mlp_norm: bool | None = None
    scale_norm: bool | None = None
    swiglu_mlp: bool | None = None
    proj_bias: bool | None = None
    init_values: _Scale | None = None
    class_token: bool | None = None
    pos_embed: _Word | None = None
    no_embed_class: bool | None = None
    reg_tokens: Annotated[int, Field(ge=0, le=256)] | None = None
    pre_norm: bool | None = None
    final_norm: bool | None = None
    fc_norm: bool | None = None
    dynamic_img_size: bool | None = None
    dynamic_img_pad: bool | None = None
    global_pool: _Word | None = None
    act_layer: _Word | None = None
    norm_layer: _Word | None = None
    drop_rate: _Share | None = None
    drop_path_rate: _Share | None = None

    def given(self) -> dict[str, Any]:
        """Those that were given."""
        return self.model_dump(exclude_unset=True)


class TimmConfig(BaseModel):
    """``config.json`` of timm's hub format, the older one without ``pretrained_cfg`` included."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    architecture: _TimmNetwork
    model_args: TimmArguments = TimmArguments()
    pretrained_cfg: Normalisation = Normalisation()
    mean: tuple[_Level, _Level, _Level] | None = None
    std: tuple[_Spread, _Spread, _Spread] | None = None

    @field_validator("model_args", mode="before")
    @classmethod
    def _without_classes(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if k != "num_classes"} if isinstance(value, dict) else value

    @property
    def normalisation(self) -> Normalisation:
        """Wherever it lies."""
        found = self.pretrained_cfg
        return found if found.mean or found.std else Normalisation(mean=self.mean, std=self.std)


def read_open_clip(path: Path, encoder_id: str) -> OpenClipConfig:
    """The known part of an ``open_clip_config.json``.

    Raises
    ------
    EncoderError
        If the file cannot be read, or it has unknown keys or values out of bounds.
    """
    return _checked(OpenClipConfig, _read(path, encoder_id), f"{encoder_id}: {path}")


def read_timm(path: Path, encoder_id: str) -> TimmConfig:
    """As :func:`read_open_clip`, of timm's ``config.json``."""
    return _checked(TimmConfig, _read(path, encoder_id), f"{encoder_id}: {path}")


def timm_arguments(options: dict[str, Any], encoder_id: str) -> dict[str, Any]:
    """Arguments of a catalogue's entry, checked as those of a configuration."""
    return _checked(TimmArguments, options, f"{encoder_id}: options").given()


def _checked(model: type[_Model], fields: Any, where: str) -> _Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise EncoderError(
            f"{where}: {problem(error)[:200]}; only networks with known settings are loaded, choose another "
            "model or correct the file"
        ) from error


def _read(path: Path, encoder_id: str) -> Any:
    try:
        return read_json(path, what="a configuration as JSON", largest=LARGEST, error=EncoderError)
    except EncoderError as error:
        raise EncoderError(f"{encoder_id}: {error}, or download it again") from error
