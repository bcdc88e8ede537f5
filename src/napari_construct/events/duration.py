"""Durations in words, and the time left."""

from __future__ import annotations


def left_in_words(seconds: float | None) -> str:
    """How long a job still takes; None while that is unknown."""
    if seconds is None:
        return "estimating the time"
    return f"about {in_words(seconds)} left" if seconds >= 1 else "nearly done"


def in_words(seconds: float) -> str:
    """Seconds as text, e.g. "3 min 20 s"."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest // 10 * 10} s" if minutes < 10 and rest >= 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
