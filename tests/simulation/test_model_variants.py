"""Other models of the same leg."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_motion, read_storage
from nem2e_tf.simulation import LegModel, MuscleGeometry, simulate
from nem2e_tf.simulation.model_variants import vary_model

MUSCLES, COORDINATES = ("soleus_r", "tib_ant_r"), ("ankle_angle_r",)


def geometry(frames: int) -> MuscleGeometry:
    return MuscleGeometry(
        np.full((frames, 2), 0.3),
        np.full((frames, 1, 2), 0.04),
        np.full((frames, 2), 1000.0),
    )


def test_a_number_alters_alike_whatever_the_recording() -> None:
    one, moments = vary_model(MUSCLES, COORDINATES, geometry(5), np.ones((5, 1)), 3)
    other, _ = vary_model(MUSCLES[::-1], COORDINATES, geometry(2), np.ones((2, 1)), 3)
    np.testing.assert_allclose(one.capacity[0], other.capacity[0, ::-1])
    np.testing.assert_allclose(one.moment_arms[0, 0], other.moment_arms[0, 0, ::-1])
    different, others = vary_model(MUSCLES, COORDINATES, geometry(5), np.ones((5, 1)), 4)
    assert not np.allclose(one.capacity, different.capacity)
    assert not np.allclose(moments, others)


def test_models_differ_as_much_as_is_said() -> None:
    factors = np.array(
        [
            vary_model(MUSCLES, COORDINATES, geometry(1), np.ones((1, 1)), n)[0].capacity[0]
            for n in range(1, 400)
        ]
    )
    spread = np.log(factors / 1000.0).std(axis=0)
    assert spread == pytest.approx(np.hypot(0.2, 0.3), rel=0.15)
    assert np.corrcoef(np.log(factors).T)[0, 1] > 0.15


def test_a_recording_is_simulated_with_another_model(right_leg: LegModel, data: Path) -> None:
    trial = data / "ceinms-lower-limb" / "walk45"
    motion = read_motion(trial / "ik.sto", right_leg.rotations)
    moments = read_storage(trial / "id.sto")

    def run(model: int) -> pd.DataFrame:
        return simulate(right_leg, motion, moments, start=2.0, end=3.2, variant=model)

    own, other = run(0), run(1)
    pd.testing.assert_frame_equal(run(1), other)
    pairs = zip(own["soleus_r"], other["soleus_r"], strict=True)
    assert max(abs(a - b) for a, b in pairs) > 0.01
    assert np.corrcoef(own["soleus_r"], other["soleus_r"])[0, 1] > 0.5
