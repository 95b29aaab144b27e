"""Faults of channels: interrupted signals and open inputs."""

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.signals.emg import read_raw
from nem2e_tf.signals.emg_faults import find_faults
from tests.repository import DATA

CHILDREN = DATA / "biomechzoo-children"


def bursts(seed: int, rate: float = 1000.0) -> np.ndarray:
    """Six seconds of noise with a burst a second."""
    time = np.arange(int(6 * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return noise * (0.05 + (0.5 - 0.5 * np.cos(2 * np.pi * time)) ** 2)


def frame(**channels: np.ndarray) -> pd.DataFrame:
    index = pd.Index(np.arange(6000) / 1000, name="time")
    return pd.DataFrame(channels, index=index)


def test_a_quarter_of_a_second_of_zeros_is_told() -> None:
    signal = bursts(0)
    signal[3000:3250] = 0.0
    found = find_faults(frame(lost=signal, whole=bursts(1)))
    assert len(found["lost"]) == 1
    assert found["lost"][0].startswith("interrupted: 250 ms")
    assert found["whole"] == []


def test_white_noise_and_a_saturated_amplifier_are_open_inputs() -> None:
    noise = np.random.default_rng(2).standard_normal(6000)
    hum = np.clip(5 * np.sin(2 * np.pi * 50 * np.arange(6000) / 1000 + 0.1), -1, 1)
    found = find_faults(frame(noise=noise, hum=hum + 0.01 * noise, muscle=bursts(3)))
    assert "open input" in found["noise"][0]
    assert any(text.startswith("open input") for text in found["hum"])
    assert found["muscle"] == []


@pytest.mark.skipif(not CHILDREN.is_dir(), reason="the children's recordings are not there")
@pytest.mark.parametrize(
    ("child", "measured"), [("HC002D", "R"), ("HC030A", "L"), ("HC031A", "R"), ("HC036A", "L")]
)
def test_the_leg_without_electrodes_is_an_open_input(child: str, measured: str) -> None:
    found = find_faults(read_raw(CHILDREN / child / "straight.c3d"))
    muscles = ("Rect", "Hams", "Gast", "Tib Ant")
    for side in "LR":
        for muscle in muscles:
            texts = found[f"Voltage.{side} {muscle}"]
            assert any("open input" in text for text in texts) == (side != measured)
