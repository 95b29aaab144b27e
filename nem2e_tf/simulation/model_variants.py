"""Random variants of a leg model, as another laboratory might have used for a recording.

A refiner that is fitted to one recording with many models learns the person, not the model.
"""

from dataclasses import replace
from zlib import crc32

import numpy as np

from nem2e_tf.simulation.geometry import MuscleGeometry

_LEG_STRENGTH, _MUSCLE_STRENGTH = 0.2, 0.3
"""Standard deviations of the logarithm of force, of the whole leg and of each muscle: areas
of one muscle differ by 14-41 % between people (Narici MV, Landoni L, Minetti AE 1992, Eur J Appl
Physiol 65:438-444), and generic models by a factor of 1.5 to 2.7 (Rajagopal et al. 2016)."""
_MOMENT_ARM = 0.1
"""Standard deviation of a muscle's moment arms, as a share; Ackland DC, Lin YC, Pandy MG (2012), J
Biomech 45:1463-1471, vary them by such amounts."""
_MOMENT, _OFFSET = 0.1, 3.0
"""Standard deviations of a joint moment's scale, as a share, and of an error in N m; chosen."""


def vary_model(
    muscles: tuple[str, ...],
    coordinates: tuple[str, ...],
    geometry: MuscleGeometry,
    moments: np.ndarray,
    variant: int,
) -> tuple[MuscleGeometry, np.ndarray]:
    """Muscle geometry and joint moments of a variant of the model.

    Args:
        muscles: names.
        coordinates: names.
        geometry: MuscleGeometry of `(frames, ...)`.
        moments: `(frames, coordinates)`, N m.
        variant: int. The same number gives the same changes, whatever the recording.

    Returns:
        Geometry and moments of the same shapes.
    """

    def generator(name: str) -> np.random.Generator:
        return np.random.default_rng([variant, crc32(name.encode())])

    common = generator("leg").normal(0.0, _LEG_STRENGTH)
    strength = np.array(
        [np.exp(common + generator(m).normal(0.0, _MUSCLE_STRENGTH)) for m in muscles]
    )
    arms = np.array([generator(f"{m} arm").normal(1.0, _MOMENT_ARM) for m in muscles])
    scale, offset = np.array(
        [generator(c).normal((1.0, 0.0), (_MOMENT, _OFFSET)) for c in coordinates]
    ).T
    other = replace(
        geometry,
        moment_arms=geometry.moment_arms * np.clip(arms, 0.7, 1.3),
        capacity=geometry.capacity * strength,
    )
    return other, moments * np.clip(scale, 0.7, 1.3) + offset
