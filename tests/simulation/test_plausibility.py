"""Units that are probably wrong are told; a real walk is not."""

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.simulation.plausibility import log_implausible


@pytest.mark.parametrize(
    ("in_degrees", "scale", "mass_scale", "words"),
    [
        (True, 1.0, 1.0, None),
        (True, np.pi / 180, 1.0, "ik.mot: joints hardly move"),
        (False, np.pi / 180, 1.0, None),
        (True, 1.0, 1 / 75, "id.sto: peak ankle and hip moments"),
    ],
)
def test_angles_in_radians_and_moments_by_mass_are_told(
    caplog: pytest.LogCaptureFixture,
    in_degrees: bool,
    scale: float,
    mass_scale: float,
    words: str | None,
) -> None:
    wave = np.sin(np.linspace(0, 6, 200))
    angles = pd.DataFrame({"hip_flexion_r": 0.5 * wave, "knee_angle_r": 1.1 * wave}) * scale
    moments = pd.DataFrame({"hip_flexion_r_moment": 70 * wave, "ankle_angle_r_moment": 110 * wave})
    with caplog.at_level("INFO", "nem2e_tf"):
        log_implausible(angles, moments * mass_scale, 75.0, in_degrees, "ik.mot", "id.sto")
    assert bool(caplog.text) == (words is not None)
    assert words is None or words in caplog.text
