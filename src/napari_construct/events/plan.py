"""What a job is going to do: its stages, what each is expected to cost, and how often it comes."""

from __future__ import annotations

from dataclasses import dataclass

from napari_construct.events.kinds import Event


@dataclass(frozen=True, slots=True)
class Part:
    """One pass of a stage.

    Attributes
    ----------
    stage : str
        Name of the stage in the job's events.
    weight : float
        Expected cost of a pass. Parts of a plan share a unit; seconds on an ordinary computer are best.
    steady : bool
        Whether the cost grows with the computer's speed as that of the other steady parts does. Loading and
        reading do not: files may be in memory already.
    like : str
        Stage of the same plan whose work is alike: until this one was seen, it is as slow as that one.
    """

    stage: str
    weight: float
    steady: bool = True
    like: str = ""


@dataclass(frozen=True, slots=True)
class Phase:
    """Parts that follow each other, the whole row of them ``times`` over; some may be left out.

    Attributes
    ----------
    parts : tuple of Part
        In their order.
    times : int
        How often the row comes.
    counter : str
        Stage whose events count the finished rows, as "images" of a batch; none by default.
    during : bool
        Whether it comes while the phase before still goes on, as validations do during the steps.
    """

    parts: tuple[Part, ...]
    times: int = 1
    counter: str = ""
    during: bool = False


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """What a job will do from here on, so that the time left can be told over all of it.

    Attributes
    ----------
    job : str
        What the costs are remembered under: jobs of one kind with one model.
    phases : tuple of Phase
        In their order. Stages may come that are in no phase. None at all says that a plan will follow.
    """

    job: str = ""
    phases: tuple[Phase, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeTold(Event):
    """How long the job still takes, from a job that knows better than its stages tell.

    Attributes
    ----------
    seconds : float or None
        None while it is unknown.
    share : float
        Of the whole job that is done, by time.
    """

    seconds: float | None = None
    share: float = 0.0


def planned(job: str, *phases: Phase) -> Planned:
    """The event that announces a plan."""
    return Planned("planned", 0, 0, job=job, phases=phases)


def in_a_row(*parts: tuple[str, float], steady: bool = True) -> Phase:
    """A phase that comes once; each part is a stage and its weight."""
    return Phase(tuple(Part(stage, weight, steady) for stage, weight in parts))
