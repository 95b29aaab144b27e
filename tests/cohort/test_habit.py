"""When virtual people's muscles are active by habit."""

import numpy as np
import pytest

from nem2e_tf.cohort.habit import habitual_activity


def cycle(task: str, muscle: str) -> np.ndarray:
    phases = np.arange(100)[:, None] / 100.0
    return habitual_activity(task, [muscle], phases)[:, 0]


def test_a_burst_lies_between_its_onset_and_its_offset_and_peaks_where_it_should() -> None:
    vastus = cycle("walking", "vas_lat_r")
    assert vastus.argmax() == 7 and vastus.max() == pytest.approx(1.0)
    assert (vastus[24:89] == 0.0).all() and vastus[95] > 0.1


def test_two_bursts_add_up_and_running_has_stronger_ones() -> None:
    tibialis = cycle("walking", "tib_ant_r")
    assert tibialis[2] == pytest.approx(1.6, abs=0.01)
    assert tibialis[65] == pytest.approx(1.0, abs=0.01)
    assert (tibialis[16:53] == 0.0).all()
    assert cycle("running", "vas_lat_r").max() == pytest.approx(2.0)


def test_muscles_that_are_not_listed_have_no_habit() -> None:
    assert not cycle("walking", "sart_r").any()
