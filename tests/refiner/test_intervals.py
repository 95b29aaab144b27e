"""Prediction intervals: calibrated on people, held by people never seen."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.network.stdr_net import stdr_net
from nem2e_tf.pipeline import Pair
from nem2e_tf.refiner import Card, Refiner
from nem2e_tf.refiner.familiarity import feature_names
from nem2e_tf.refiner.intervals import COVERAGE, Offsets, calibrate, prediction_interval
from training.calibration import calibrate_refiner, coverage

Refused = Callable[..., AbstractContextManager[None]]
CHANNELS = ["soleus", "tibialis_anterior"]


def people(count: int, seed: int, bias: float = 0.08) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Refined envelopes of two channels, and measured ones that are off by what is each person's.

    The second channel's error grows with its level.
    """
    random = np.random.default_rng(seed)
    refined, measured = [], []
    for _ in range(count):
        frames = int(random.integers(200, 2000))
        level = random.uniform(0.0, 0.8, (frames, 2))
        own = bias * random.standard_normal(2)
        noise = 0.03 * random.standard_normal((frames, 2))
        refined.append(level)
        measured.append(level + (own + noise) * np.stack([np.ones(frames), level[:, 1]], axis=1))
    return refined, measured


def held(tables: list[Offsets], of: tuple[list[np.ndarray], list[np.ndarray]]) -> np.ndarray:
    """Share of samples held, `(people, channels)`, were there no clipping."""
    rows = []
    for refined, measured in zip(*of, strict=True):
        lower, upper = prediction_interval(tables, refined)
        rows.append(((measured >= lower) | (lower == 0)) & (measured <= upper))
    return np.stack([row.mean(axis=0) for row in rows])


def test_people_never_seen_are_held_as_often_as_promised_on_average() -> None:
    tables = calibrate(*people(40, seed=1))
    mean = held(tables, people(300, seed=2)).mean(axis=0)
    assert ((mean > COVERAGE - 0.05) & (mean < COVERAGE + 0.05)).all()


def test_long_recordings_of_one_person_do_not_count_for_more() -> None:
    """29 people right but for 0.01 and one wrong by 0.5, who was recorded for 50 times as long."""
    level = np.linspace(0.0, 0.8, 200)[:, None]
    refined = [level] * 29 + [np.tile(level, (50, 1))]
    measured = [r + 0.01 for r in refined[:29]] + [refined[29] + 0.5]
    assert max(calibrate(refined, measured)[0].upper) < 0.05


def test_the_interval_is_wide_where_errors_are_large() -> None:
    lower, upper = prediction_interval(
        calibrate(*people(150, seed=3)), np.array([[0.1, 0.1], [0.7, 0.7]])
    )
    width = upper - lower
    assert width[1, 1] > 3 * width[0, 1]
    # Persons' and samples' errors together, 1.645 standard deviations to either side.
    assert width[1, 0] == pytest.approx(2 * 1.645 * np.hypot(0.08, 0.03), rel=0.2)


def test_bounds_hold_the_refined_value_and_are_never_negative() -> None:
    refined, measured = people(10, seed=4)
    measured = [m + 0.5 for m in measured]  # biased: all of it above
    lower, upper = prediction_interval(calibrate(refined, measured), refined[0])
    assert (lower >= 0).all()
    assert (lower <= refined[0]).all() and (refined[0] <= upper).all()


def test_a_channel_that_is_always_refined_to_the_same_value_has_one_level() -> None:
    refined = [np.full((50, 1), 0.2) for _ in range(3)]
    measured = [r + 0.1 * np.sin(np.arange(50))[:, None] for r in refined]
    (table,) = calibrate(refined, measured)
    assert len(table.level) == 1
    assert table.upper[0] == pytest.approx(0.1, abs=0.02)


def test_one_person_alone_cannot_calibrate() -> None:
    with pytest.raises(ValueError, match="two people"):
        calibrate(*people(1, seed=1))


@pytest.fixture(scope="module")
def refiner() -> Refiner:
    """Untrained, of two channels."""
    ones = {channel: 1.0 for channel in CHANNELS}
    card = Card(
        name="tiny", summary="test", inputs=CHANNELS, outputs=CHANNELS, rate=100.0, window=1.0,
        muscles={"soleus": [{"soleus": 1.0}], "tibialis_anterior": [{"tib_ant": 1.0}]},
        input_maximum=ones, output_maximum=ones | {"soleus": 0.5}, unit="test", fitted_on=[],
        scores={}, versions={},
    )  # fmt: skip
    return Refiner(card, stdr_net(2, 2, encoder_units=3, decoder_units=3, attention_units=3))


def pair(subject: str, seed: int) -> Pair:
    """Synthetic: smooth activity, and an EMG in a unit of its own."""
    time = np.arange(600) / 100.0
    random = np.random.default_rng(seed)
    waves = 0.4 + 0.3 * np.sin(2 * np.pi * (time[:, None] + random.uniform(0, 0.2, 2) + [0, 0.5]))
    index = pd.Index(time, name="time")
    simulated = pd.DataFrame(waves, index=index, columns=CHANNELS)
    gain = random.uniform(0.1, 10.0)
    return Pair(subject, "walking", simulated, gain * simulated, simulated)


def test_a_calibrated_card_is_read_back_and_covers_people_whatever_their_unit(
    refiner: Refiner,
) -> None:
    made = [pair(f"virtual-{i}", i) for i in range(12)]
    known = calibrate_refiner(refiner, made[:6], made[:6])
    assert Card.model_validate_json(known.card.model_dump_json()) == known.card
    table = coverage(known, made[6:])
    assert table.shape == (2, 6)
    assert table.mean(axis=None) > 0.8
    bounds = known.interval(known.refine(made[7].simulated))
    assert list(bounds.columns) == [
        "soleus_lower", "soleus_upper", "tibialis_anterior_lower", "tibialis_anterior_upper",
    ]  # fmt: skip
    # In units of the card's maximum, which for the soleus is half of 1.
    shares = known.card.interval["soleus"]  # type: ignore[index]
    refined = known.refine(made[7].simulated)["soleus"].to_numpy() / 0.5
    np.testing.assert_allclose(
        bounds["soleus_upper"] / 0.5, refined + shares.interpolate(refined)[1]
    )


def test_a_refiner_without_an_interval_says_so(refiner: Refiner, refused: Refused) -> None:
    refined = refiner.refine(pair("virtual-1", 1).simulated)
    with refused("tiny", "no prediction interval"):
        refiner.interval(refined)
    assert refiner.unfamiliar_inputs(pair("virtual-1", 1).simulated) == []


GOOD = {"level": [0.1, 0.2], "lower": [-0.1, -0.1], "upper": [0.1, 0.1]}


@pytest.mark.parametrize(
    "change",
    [
        {"interval": {"soleus": GOOD}},
        {"interval": {c: GOOD | {"level": [0.2, 0.1]} for c in CHANNELS}},
        {"interval": {c: GOOD | {"upper": [0.1]} for c in CHANNELS}},
        {"interval": {c: GOOD | {"upper": [0.1, float("nan")]} for c in CHANNELS}},
        {"interval": {c: GOOD | {"lower": [0.1, -0.1]} for c in CHANNELS}},
        {"familiar": {"cadence": [1.0, 2.0]}},
        {"familiar": {name: [2.0, 1.0] for name in feature_names(CHANNELS)}},
    ],
)
def test_a_card_with_a_wrong_interval_or_range_is_refused(
    refiner: Refiner, change: dict[str, object]
) -> None:
    card = json.loads(refiner.card.model_dump_json())
    Card.model_validate(card | {"interval": {c: GOOD for c in CHANNELS}})
    with pytest.raises(ValueError, match=r"interval|familiar"):
        Card.model_validate(card | change)
