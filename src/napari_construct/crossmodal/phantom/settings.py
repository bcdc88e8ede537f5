"""What may be chosen about the phantom."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_construct.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]


class PhantomSettings(Settings):
    """Tissue and camera of the phantom; the defaults are those of the experiments.

    Attributes
    ----------
    mpp : float
        Micrometres per pixel.
    region_um : float
        Size of a region of one kind of tissue.
    density : float
        Factor on the number of cells per area.
    hidden_spread : float
        Standard deviation of the logarithm of how far a cell reaches beyond its nucleus, given its type: what
        nothing in the nuclear channel tells.
    eccentricity : float
        How far a nucleus may lie from the middle of its cell: 0 in the middle, 1 at the membrane.
    out_of_plane : float
        Share of cells whose nucleus is not in the section: a body with a membrane and no nucleus.
    debris : float
        Bodies that look like nuclei and belong to no cell, per nucleus.
    membrane : float
        Brightness of membranes, where nuclei have 1.
    photons : float
        Photons per pixel of brightness 1; fewer are noisier.
    read_noise : float
        Standard deviation of the camera's noise in photons.
    blur_um : float
        Standard deviation of the microscope's point spread function.
    shading : float
        How uneven the light is: 0 even, 0.5 from half to one and a half.
    """

    mpp: float = Field(0.5, ge=0.1, le=4)
    region_um: float = Field(60.0, ge=5, le=1000)
    density: float = Field(1.0, gt=0, le=1.5)
    hidden_spread: float = Field(0.45, ge=0, le=1)
    eccentricity: Share = 0.6
    out_of_plane: Share = 0.1
    debris: float = Field(0.15, ge=0, le=2)
    membrane: float = Field(0.5, ge=0, le=5)
    photons: float = Field(100.0, gt=0, le=1e6)
    read_noise: float = Field(2.0, ge=0, le=100)
    blur_um: float = Field(0.5, ge=0, le=5)
    shading: float = Field(0.35, ge=0, le=0.9)
