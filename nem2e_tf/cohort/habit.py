"""Habitual muscle activity in gait, beyond what the joint moments require."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml


def habitual_activity(task: str, muscles: Sequence[str], phases: np.ndarray) -> np.ndarray:
    """Habitual bursts; the largest in walking is 1.

    Args:
        task: `walking` or `running`.
        muscles: names, with or without side. Muscles that `habit.yaml` does not list have none.
        phases: `(frames, muscles)`, 0-1 of the gait cycle from foot strike.

    Returns:
        `(frames, muscles)`.
    """
    table = _table()
    activity = np.zeros_like(phases)
    for i, muscle in enumerate(muscles):
        for onset, peak, offset, size in table[task].get(muscle.removesuffix("_r"), ()):
            since = np.mod(phases[:, i] - onset / 100.0, 1.0) * 100.0
            rise, fall = peak - onset, offset - peak
            burst_phase = np.where(since < rise, since / rise, 1.0 + (since - rise) / fall)
            activity[:, i] += size * 0.5 * (1.0 - np.cos(np.pi * np.minimum(burst_phase, 2.0)))
    return activity * table["strength"][task]


@cache
def _table() -> dict[str, Any]:
    text = files(__package__).joinpath("habit.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table
