"""One graphics card for each worker of a machine."""

from __future__ import annotations

import re


def card_of_worker(name: object, visible: str | None, count: int) -> str | None:
    """What ``CUDA_VISIBLE_DEVICES`` is to be for a worker; None to leave it as it is.

    Cards are dealt in turn by the number of the worker, the last one in its name. What a batch system has
    dealt already, one card or none, stays.

    Parameters
    ----------
    name : object
        Of the worker: 0, 1, ... on one machine, or a text that ends in a number.
    visible : str or None
        ``CUDA_VISIBLE_DEVICES`` of the process.
    count : int
        Cards that the process sees.

    Examples
    --------
    >>> [card_of_worker(number, None, 2) for number in range(3)]
    ['0', '1', '0']
    >>> card_of_worker("node7-3", "4,5", 2)
    '5'
    """
    if count < 2:
        return None
    cards = [part.strip() for part in visible.split(",")] if visible else [str(i) for i in range(count)]
    number = re.findall(r"\d+", str(name))
    return cards[int(number[-1]) % len(cards)] if number else None
