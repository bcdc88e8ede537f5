"""Where numba is installed, its compiled kernels work on a lattice.

numba is optional. Without it (or with the environment variable ``NUMBA_DISABLE_JIT=1``), on accelerators, for
batches on one lattice and for quadratic splines torch does the work; which of the two it is depends on
nothing else, so that the same call always gives the same numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

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
"""Rows of numbers are as long as a multiple of this."""

KEPT_BYTES = 1 << 26


@lru_cache(maxsize=2)
def load(name: str) -> Any:
    """The module ``kernels`` or ``fitting``, of functions that numba compiles when they are first called.

    None where numba is missing, does not load, does not fit the other packages, or is turned off.
    """
    try:
        import numba

        return None if numba.config.DISABLE_JIT else import_module(f"{__package__}.{name}")
    except (ImportError, OSError):  # the latter of llvmlite's library
        return None


def runs_compiled(lattice: Lattice) -> bool:
    """Whether the kernels serve a lattice."""
    return (
        lattice.device.type == "cpu"
        and lattice.b == 1
        and lattice.taps == 2
        and lattice.sums == torch.float32
        and (lattice.rank + 1) % LANES == 0
        and load("kernels") is not None
    )


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


class _Blurring(NamedTuple):
    """The rows of nodes that either kernel reads, what else ``kernels.blur`` takes, and its rooms' sizes."""

    sources: tuple[slice, slice]
    matrices: tuple[Any, ...]
    size: int
    column: int


class CompiledBand:
    """Rows of cells of a lattice with one image, for k planes: splat, blur and slice by kernels.

    Parameters as of :class:`~napari_construct.refinement.dense_crf.band.Band`. Everything is computed in
    float32; only the features are what the lattice keeps.
    """

    def __init__(self, lattice: Lattice, index: int, k: int, weights: tuple[float, float]) -> None:
        self.kernels = load("kernels")
        self.lattice, self.weights = lattice, weights
        self.rows = rows = lattice.strips()[index]
        self.y, self.k, self.r, self.mx = rows.stop - rows.start, k, lattice.rank + 1, lattice.nx + 1
        self.features = flat(lattice.features[:, rows])
        self.splines = _cell_splines(lattice.s)
        self.sizes = (self.y, lattice.nx, lattice.s, k, self.r)
        self.own, self.line = lattice.own(index), self.mx * k * self.r

    @cached_property
    def blurring(self) -> _Blurring:
        """What is needed to blur, but not to splat."""
        lattice, own = self.lattice, (self.rows.start, self.rows.stop + 1)
        source, wy, *ends = _sources(lattice.appearance_blur.y, own, lattice.node_rows)
        smooth_source, sy, *_ = _sources(lattice.smoothness_blur.y, own, lattice.node_rows)
        smooth, appearance = np.float32(self.weights[0]), np.float32(self.weights[1])
        column = (smooth_source.stop - smooth_source.start + self.y + 1) * rounded(self.k * self.mx)
        matrices = (wy * appearance, *ends, sy * smooth, self.mx, self.k, self.r)
        return _Blurring((source, smooth_source), matrices, (self.y + 1) * self.line, column)

    def part(self, nodes: Flat, rows: slice) -> Flat:
        """Rows of the nodes of all bands."""
        return nodes[rows.start * self.line : rows.stop * self.line]

    def splat(self, values: Flat, nodes: Flat) -> None:
        """Sum values (y, nx, k, p) times the features on the band's own rows of the nodes."""
        self.kernels.splat(values, self.features, self.splines, *self.send_to(nodes), *self.sizes)

    def send_to(self, nodes: Flat) -> tuple[Flat, ...]:
        """What kernels that splat take to send what they summed to the band's own rows of the nodes."""
        return self.part(nodes, self.own), *self.lattice.along_x

    def blur(self, nodes: Flat, rooms: Rooms) -> tuple[Flat, Flat]:
        """Both kernels, each times its weight, for the nodes that the band sees; and the room they are in."""
        sources, matrices, size, column = self.blurring
        room = rooms.take(size + column)
        blurred = room[:size]
        given = (self.part(nodes, rows) for rows in sources)
        self.kernels.blur(*given, blurred, room[size:], *matrices)
        return blurred, room

    def gather(self, nodes: Flat, rooms: Rooms, out: Flat) -> None:
        """Values (y, nx, k, p) of both blurred kernels together at the band's pixels."""
        blurred, room = self.blur(nodes, rooms)
        self.kernels.gather(blurred, self.features, self.splines, out, *self.sizes)
        rooms.give(room)


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
    out = [values.new_empty(values.shape) for _ in weights]

    def gather(nodes: Flat, index: int) -> None:
        for pair, target in zip(weights, out, strict=True):
            band = CompiledBand(lattice, index, values.shape[3], pair)
            band.gather(nodes, lattice.rooms, flat(target[:, band.rows]))

    _splat_then(gather, lattice, values.contiguous(), run)
    return out


def normalise(lattice: Lattice, smooth: Float[Tensor, "1 ny nx p"], least: float, run: Map) -> None:
    """Scale features and residual by the appearance kernel's row sums, at least ``least``, to the power -1/2.

    The smoothness kernel's feature becomes ``smooth``.
    """

    def scale(nodes: Flat, index: int) -> None:
        band = CompiledBand(lattice, index, 1, (0.0, 1.0))
        blurred, room = band.blur(nodes, lattice.rooms)
        given = (flat(array[:, band.rows]) for array in (lattice.inside, lattice.residual, smooth))
        y, nx, s, _, r = band.sizes
        band.kernels.normalise(blurred, band.features, band.splines, *given, np.float32(least), y, nx, s, r)
        lattice.rooms.give(room)

    _splat_then(scale, lattice, lattice.inside, run)


def _splat_then(
    work: Callable[[Flat, int], None], lattice: Lattice, values: Float[Tensor, "1 ny nx k p"], run: Map
) -> None:
    """Splat contiguous values with all bands, and then do something with the nodes and every band."""
    k, strips = values.shape[3], range(len(lattice.strips()))
    nodes = new_nodes(lattice, k)

    def splat(index: int) -> None:
        band = CompiledBand(lattice, index, k, (0.0, 0.0))
        band.splat(flat(values[:, band.rows]), nodes)

    for step in (splat, partial(work, nodes)):
        for _ in run(step, strips):
            pass
    lattice.rooms.give(nodes)
