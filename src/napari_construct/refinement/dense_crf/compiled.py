"""Where numba is installed, its compiled kernels work on a lattice.

numba is optional. Without it (or with the environment variable ``NUMBA_DISABLE_JIT=1``), on accelerators, for
batches on one lattice and for quadratic splines torch does the work; which of the two it is depends on
nothing else, so that the same call always gives the same numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from napari_construct.refinement.dense_crf import splines
from napari_construct.refinement.dense_crf.strips import Map

if TYPE_CHECKING:
    from napari_construct.refinement.dense_crf.lattice import Lattice

Flat = npt.NDArray[Any]
"""Numbers in one row, as the kernels take them."""

LANES = 8
"""Numbers in a vector; rows of numbers are as long as a multiple of this."""

KEPT_BYTES = 1 << 26


@lru_cache(maxsize=3)
def load(name: str) -> Any:
    """The module ``kernels``, ``iterations`` or ``fitting``, of functions that numba compiles.

    None where numba is missing, does not load, does not fit the other packages, or is turned off.
    """
    try:
        import numba

        return None if numba.config.DISABLE_JIT else import_module(f"{__package__}.{name}")
    except (ImportError, OSError):  # the latter of llvmlite's library
        return None


def serving(name: str, device: torch.device, images: int) -> Any:
    """As :func:`load` for so many images at a time on a device: None but for one on a processor."""
    return load(name) if device.type == "cpu" and images == 1 else None


def runs_compiled(lattice: Lattice) -> bool:
    """Whether the kernels serve a lattice."""
    fits = lattice.taps == 2 and lattice.sums == torch.float32 and (lattice.rank + 1) % LANES == 0
    return fits and serving("kernels", lattice.device, lattice.b) is not None


def flat(tensor: Tensor) -> Flat:
    """A contiguous tensor's own numbers; bfloat16 as the uint16 of its bits."""
    numbers = tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor
    return numbers.view(-1).numpy()


def rounded(n: int) -> int:
    """A length that is a multiple of eight."""
    return -(-n // LANES) * LANES


class Rooms:
    """Rooms for intermediate products that are free, up to 64 MiB of them kept for the next refinement.

    Memory that is new has to be brought in page by page, which costs about as much as what is written to it.
    """

    def __init__(self) -> None:
        self.free: defaultdict[int, list[Flat]] = defaultdict(list)
        self.bytes, self.lock = 0, Lock()

    def take(self, size: int) -> Flat:
        """Room for so many numbers, of any value."""
        with self.lock:
            if self.free[size]:
                self.bytes -= 4 * size
                return self.free[size].pop()
        return np.empty(size, np.float32)

    def give(self, *rooms: Flat) -> None:
        """Give rooms back that :meth:`take` made."""
        with self.lock:
            for room in rooms:
                if self.bytes + room.nbytes <= KEPT_BYTES:
                    self.bytes += room.nbytes
                    self.free[room.size].append(room)


class CompiledBand:
    """Rows of cells of a lattice with one image, as kernels take them: splat, blur and slice for k planes.

    Everything is computed in float32; only the features are what the lattice keeps. A lattice keeps its
    bands, so that next to nothing is left to do between two kernels, when no thread but one can do it.

    Parameters
    ----------
    lattice : Lattice
        All cells.
    index : int
        Which of the lattice's strips.
    """

    def __init__(self, lattice: Lattice, index: int) -> None:
        self.kernels = load("kernels")
        self.rows = rows = lattice.strips()[index]
        self.top = lattice.pixels(rows).start
        self.y, self.nx, self.s, self.r = rows.stop - rows.start, lattice.nx, lattice.s, lattice.rank + 1
        self.features = flat(lattice.features[:, rows])
        self.residual = flat(lattice.residual[:, rows])
        self.splines = _cell_splines(lattice.s)
        nodes = rows.start, rows.stop + 1
        source, wy, *ends = _sources(lattice.appearance_blur.y, nodes, lattice.node_rows)
        smooth_source, sy, *_ = _sources(lattice.smoothness_blur.y, nodes, lattice.node_rows)
        self.own, self.sources, self.along_y = lattice.own(index), (source, smooth_source), (wy, *ends, sy)
        self.along_x = lattice.along_x

    def sizes(self, k: int) -> tuple[int, int, int, int, int]:
        """Sizes that kernels of k planes take last."""
        return self.y, self.nx, self.s, k, self.r

    def splat(self, values: Flat, nodes: Flat, k: int) -> None:
        """Sum values (y, nx, k, p) times the features on the band's own rows of the nodes."""
        self.kernels.splat(values, self.features, self.splines, *self.send_to(nodes, k), *self.sizes(k))

    def send_to(self, nodes: Flat, k: int) -> tuple[Flat, ...]:
        """What kernels that splat take to send what they summed to the band's own rows of the nodes."""
        return self._part(nodes, self.own, k), *self.along_x

    def blurs(self, nodes: Flat, k: int, weights: tuple[float, float]) -> tuple[Any, ...]:
        """What kernels that blur take after the room for it: both kernels times ``weights``."""
        smooth, appearance = (np.float32(weight) for weight in weights)
        parts = (self._part(nodes, rows, k) for rows in self.sources)
        return *parts, *self.along_y, smooth, appearance, self.nx + 1, k, self.r

    def room(self, rooms: Rooms, k: int) -> Flat:
        """Room for the nodes that the band sees when they are blurred, and to blur them."""
        smooth, mx = self.sources[1], self.nx + 1
        column = (smooth.stop - smooth.start + self.y + 1) * rounded(k * mx)
        return rooms.take((self.y + 1) * mx * k * self.r + column)

    def blur(self, rooms: Rooms, nodes: Flat, k: int, weights: tuple[float, float]) -> Flat:
        """Both kernels times ``weights`` for the nodes that the band sees; the room that begins with them."""
        room = self.room(rooms, k)
        self.kernels.blur(room, *self.blurs(nodes, k, weights))
        return room

    def _part(self, nodes: Flat, rows: slice, k: int) -> Flat:
        """Rows of the nodes of all bands."""
        line = (self.nx + 1) * k * self.r
        return nodes[rows.start * line : rows.stop * line]


@lru_cache(maxsize=16)
def along_x(appearance: splines.AxisBlur, smoothness: splines.AxisBlur) -> tuple[Flat, ...]:
    """What kernels take to blur a row of nodes, the same in all bands.

    The appearance kernel's weights (mx, mx) as a band of it, with the first and the end of every row, and the
    smoothness kernel's (mx, mx up to eight).
    """
    m = len(appearance.kernel)
    _, *band = _sources(appearance, (0, m), tuple(range(m)))
    smooth = np.zeros((m, rounded(m)), np.float32)
    smooth[:, :m] = smoothness.kernel.numpy()
    return *band, smooth.reshape(-1)


@lru_cache(maxsize=16)
def _cell_splines(s: int) -> Flat:
    """Values of the two splines at the s pixels of a cell's side."""
    return splines.cell_weights(s, 1).T.astype(np.float32).reshape(-1)


def new_nodes(lattice: Lattice, k: int) -> Flat:
    """Room for the nodes (m, mx, k, r) that all bands send, blurred along x."""
    return lattice.rooms.take(len(lattice.node_rows) * (lattice.nx + 1) * k * (lattice.rank + 1))


@lru_cache(maxsize=256)
def _sources(
    axis: splines.AxisBlur, own: tuple[int, int], every: tuple[int, ...]
) -> tuple[slice, Flat, npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """What the blurred nodes from ``own[0]`` to ``own[1]`` are made of.

    ``every`` are the nodes of all rows of an array (bands have rows of their own for shared nodes), rising.
    Returned are the rows needed, the weights (nodes, rows) of the kernel's band, and for every node the
    first of these rows and the one after the last.
    """
    nodes, given = np.arange(*own), np.array(every)
    first = np.searchsorted(given, nodes - axis.wide)
    end = np.searchsorted(given, nodes + axis.wide, side="right")
    rows = slice(int(first[0]), int(end[-1]))
    matrix = axis.kernel.numpy()[nodes][:, given[rows]]
    matrix[np.abs(nodes[:, None] - given[rows]) > axis.wide] = 0
    return rows, matrix.reshape(-1), first - rows.start, end - rows.start


def apply(
    lattice: Lattice,
    values: Float[Tensor, "1 ny nx k p"],
    weights: Sequence[tuple[float, float]],
    run: Map,
) -> list[Float[Tensor, "1 ny nx k p"]]:
    """Both kernels times values, without the self terms, for every pair of weights."""
    k, out = values.shape[3], [values.new_empty(values.shape) for _ in weights]

    def gather(nodes: Flat, band: CompiledBand) -> None:
        for pair, target in zip(weights, out, strict=True):
            room, to = band.blur(lattice.rooms, nodes, k, pair), flat(target[:, band.rows])
            band.kernels.gather(room, band.features, band.splines, to, *band.sizes(k))
            lattice.rooms.give(room)

    _splat_then(gather, lattice, values.contiguous(), run)
    return out


def normalise(lattice: Lattice, smooth: Float[Tensor, "1 ny nx p"], least: float, run: Map) -> None:
    """Scale features and residual by the appearance kernel's row sums, at least ``least``, to the power -1/2.

    The smoothness kernel's feature becomes ``smooth``.
    """

    def scale(nodes: Flat, band: CompiledBand) -> None:
        room = band.blur(lattice.rooms, nodes, 1, (0.0, 1.0))
        inside, last = (flat(array[:, band.rows]) for array in (lattice.inside, smooth))
        given = band.features, band.splines, inside, band.residual, last, np.float32(least)
        band.kernels.normalise(room, *given, band.y, band.nx, band.s, band.r)
        lattice.rooms.give(room)

    _splat_then(scale, lattice, lattice.inside, run)


def _splat_then(
    work: Callable[[Flat, CompiledBand], None],
    lattice: Lattice,
    values: Float[Tensor, "1 ny nx k p"],
    run: Map,
) -> None:
    """Splat contiguous values with all bands, and then do something with the nodes and every band."""
    k = values.shape[3]
    nodes = new_nodes(lattice, k)

    def splat(band: CompiledBand) -> None:
        band.splat(flat(values[:, band.rows]), nodes, k)

    for step in (splat, partial(work, nodes)):
        for _ in run(step, lattice.bands):
            pass
    lattice.rooms.give(nodes)
