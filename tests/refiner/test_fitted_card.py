"""The card of a network that was just fitted, made from its shards in one call."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.network.stdr_net import stdr_net
from nem2e_tf.pipeline import Pair, Shards, write_pairs
from nem2e_tf.refiner import Refiner, load, save
from nem2e_tf.refiner.fitted_card import make_card
from nem2e_tf.signals import MuscleMap

CHANNELS = list(MuscleMap.load().channels)


def recording(subject: str, level: float) -> Pair:
    """Synthetic: activity that grows with time, and a smaller envelope."""
    index = pd.Index(np.arange(1000) / 100.0, name="time")
    ramp = level * np.linspace(0.1, 1.0, 1000)[:, None]
    simulated = pd.DataFrame(ramp * np.ones(len(CHANNELS)), index, CHANNELS)
    return Pair(
        subject,
        "walking",
        simulated,
        0.5 * simulated,
        pd.DataFrame({"knee_angle": ramp[:, 0]}, index),
    )


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    """A virtual person and a real one."""
    return write_pairs([recording("virtual-0001-001", 0.4), recording("real", 0.8)], tmp_path)


def test_a_card_describes_the_fitted_block_of_the_shards(shards: Shards) -> None:
    card = make_card("mine", shards, block=(0.0, 0.6), window=1.5, summary="A test.")
    assert card.inputs == card.outputs == CHANNELS
    assert (card.rate, card.window, card.summary) == (100.0, 1.5, "A test.")
    seen = 0.8 * np.linspace(0.1, 1.0, 1000)[599]
    assert card.input_maximum == pytest.approx(dict.fromkeys(CHANNELS, seen), rel=1e-5)
    assert set(card.output_maximum.values()) == {1.0}
    assert {source.subject: source.synthetic for source in card.fitted_on} == {
        "virtual-0001-001": True,
        "real": False,
    }
    assert {(source.start, source.end) for source in card.fitted_on} == {(0.0, 5.99)}


def test_inputs_are_those_that_have_a_maximum_joint_angles_too(shards: Shards) -> None:
    card = make_card("mine", shards, input_maximum={"soleus": 0.7, "knee_angle": 1.2})
    assert card.inputs == ["soleus", "knee_angle"]
    assert card.muscles["knee_angle"] == [{"knee_angle": 1.0}]


def test_a_channel_that_the_shards_have_not_is_refused(shards: Shards) -> None:
    with pytest.raises(ValueError, match="sole"):
        make_card("mine", shards, input_maximum={"sole": 1.0})
    with pytest.raises(ValueError, match="no recording"):
        make_card("mine", shards.select(lambda shard: False), input_maximum={"soleus": 1.0})


def test_a_network_and_its_card_are_a_refiner(shards: Shards, tmp_path: Path) -> None:
    model = stdr_net(len(CHANNELS), len(CHANNELS), encoder_units=4, decoder_units=4)
    save(Refiner(make_card("mine", shards), model), tmp_path / "mine")
    refined = load(tmp_path / "mine").refine(recording("real", 0.8).simulated)
    assert list(refined.columns) == CHANNELS and np.isfinite(refined.to_numpy()).all()
