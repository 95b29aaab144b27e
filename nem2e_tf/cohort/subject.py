"""A virtual person: body, usual speeds, and random generators of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from nem2e_tf.cohort.cycles import SPEEDS

_STATURE = {"female": (1.629, 0.064), "male": (1.756, 0.069)}
"""Mean and standard deviation, m: Gordon CC et al. (2014), 2012 Anthropometric Survey of U.S. Army
Personnel, NATICK/TR-15/007."""
_BODY_MASS_INDEX = (23.5, 2.3)
"""kg/m², normal and somewhat above by the classes of the World Health Organization (18.5-30)."""
_PROPORTION = 0.025
"""Standard deviation of a segment's length at equal stature; chosen so that thigh over shank varies
by 3.5 %."""
_WALKING = (1.3, 0.25)
"""Mean and standard deviation of the walking speed, m/s: free speed of `walking.csv` for adults."""


@dataclass(frozen=True)
class Subject:
    """A virtual person.

    Args:
        name: such as `virtual-0001-003`, from seed and number.
        seed: of the cohort.
        number: in the cohort, from 1.
        mass: kg.
        height: m.
        proportions: by segment of the leg, see `build_leg`.
        speeds: by task, m/s.
    """

    name: str
    seed: int
    number: int
    mass: float
    height: float
    proportions: Mapping[str, float]
    speeds: Mapping[str, float]

    def rng(self, *purpose: str) -> np.random.Generator:
        """A random generator that depends on cohort, person and purpose alone.

        A purpose gets the same numbers whatever else is drawn, in any order or process, so that
        one cause can be switched off without a change of the others.
        """
        words = [crc32(word.encode()) for word in purpose]
        return np.random.default_rng([self.seed, self.number, *words])


def sample_subject(seed: int, number: int) -> Subject:
    """The person with a number in the cohort of a seed.

    Args:
        seed: not negative.
        number: from 1.

    Raises:
        ValueError: a negative seed or a number below 1.
    """
    if seed < 0 or number < 1:
        raise ValueError(f"seed {seed} is negative or number {number} below 1")
    blank = Subject(f"virtual-{seed:04d}-{number:03d}", seed, number, 75.0, 1.75, {}, {})
    body = blank.rng("body")
    height = sample_bounded_normal(body, *_STATURE[str(body.choice(sorted(_STATURE)))])
    mass = sample_bounded_normal(body, *_BODY_MASS_INDEX) * height**2
    proportions = {
        name: round(sample_bounded_normal(body, 1.0, _PROPORTION), 4)
        for name in ("pelvis", "femur_r", "tibia_r", "calcn_r")
    }
    speed = blank.rng("speed")
    speeds = {
        "walking": round(
            float(np.clip(sample_bounded_normal(speed, *_WALKING), *SPEEDS["walking"])), 3
        ),
        "running": round(float(speed.uniform(*SPEEDS["running"])), 3),
    }
    return Subject(blank.name, seed, number, round(mass, 2), round(height, 4), proportions, speeds)


def sample_bounded_normal(rng: np.random.Generator, mean: float, deviation: float) -> float:
    """Draw from a normal distribution that is truncated at two standard deviations."""
    while abs(score := rng.standard_normal()) > 2.0:
        pass
    return float(mean + deviation * score)
