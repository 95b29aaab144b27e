"""A refiner adapted to one person. All people here are synthetic."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nem2e_tf
from nem2e_tf.cohort import Recipe, make_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.files import read_storage, read_trials, write_storage
from nem2e_tf.pipeline import Pair
from nem2e_tf.refiner import Card, Refiner, save, versions
from nem2e_tf.refiner import personalise as personal
from nem2e_tf.refiner.personalise import personalise
from nem2e_tf.signals import MuscleMap, root_mean_square_error
from tests import command
from training.evaluation.personal_curve import curve, first_cycles
from training.evaluation.personal_page import (
    METHODS,
    RECORDED,
    page,
    read_tables,
    summary,
    write_curves,
)

Refused = Callable[..., AbstractContextManager[None]]

CHANNELS = ["soleus", "tibialis_anterior", "rectus_femoris"]


def person(seconds: float, delay: float = 0.0, scale: float = 1.0, name: str = "anna") -> Pair:
    """Bursts of 1 Hz, and an EMG that is they, `delay` seconds later and `scale` times as big."""
    time = np.arange(round(100 * seconds)) / 100

    def bursts(late: float) -> pd.DataFrame:
        phase = 2 * np.pi * (time[:, None] - late + np.linspace(0, 0.7, len(CHANNELS)))
        values = 0.02 + 0.5 * np.clip(np.sin(phase), 0, None) ** 2
        return pd.DataFrame(values, index=pd.Index(time, name="time"), columns=CHANNELS)

    angles = pd.DataFrame({"knee_angle": -np.sin(2 * np.pi * time)}, index=bursts(0.0).index)
    return Pair(name, "walking", bursts(0.0), scale * bursts(delay), angles)


@pytest.fixture(scope="module")
def general() -> Refiner:
    """A small refiner that has learnt of people whose EMG is as it is simulated."""
    import keras

    from nem2e_tf.network.stdr_net import stdr_net

    keras.utils.set_random_seed(1)
    model = stdr_net(3, 3, encoder_units=8, decoder_units=12, attention_units=8)
    channels = MuscleMap.load().channels
    maximum = dict.fromkeys(CHANNELS, 0.6)
    card = Card(
        name="general", summary="test", inputs=CHANNELS, outputs=CHANNELS,
        muscles={c: list(channels[c]) for c in CHANNELS}, rate=100.0, window=1.0,
        input_maximum=maximum, output_maximum=maximum, unit="the usual maximum", fitted_on=[],
        scores={"r": 0.9}, versions=versions(),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(personal, "ANCHOR", 0.0)
        patch.setattr(personal, "STEPS", 250)
        taught = personalise(Refiner(card, model), [person(6.0, name="everyone")])
    return Refiner(card, taught.model)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps, where what is learnt does not matter."""
    monkeypatch.setattr(personal, "STEPS", 5)


@pytest.fixture
def shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of the steps, where much is learnt by then."""
    monkeypatch.setattr(personal, "STEPS", 150)


def hurriedly(general: Refiner, *pairs: Pair, seed: int = 0) -> Refiner:
    """A refiner adapted in few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(personal, "STEPS", 5)
        return personalise(general, pairs, seed=seed)


@pytest.fixture(scope="module")
def anna(general: Refiner) -> Pair:
    """EMG of a delay and a scale, and none of the third muscle."""
    whole = person(3.0, delay=0.1, scale=0.4)
    return replace(whole, measured=whole.measured[CHANNELS[:2]])


@pytest.fixture(scope="module")
def for_anna(general: Refiner, anna: Pair) -> Refiner:
    """The general refiner adapted to her, in half of the steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(personal, "STEPS", 300)
        return personalise(general, [anna])


@pytest.fixture(scope="module")
def silent() -> list[Pair]:
    """Two recordings with a muscle that says nothing."""
    pairs = [person(2.0), person(3.0)]
    for pair in pairs:
        pair.measured["soleus"] = 0.0
    return pairs


@pytest.fixture(scope="module")
def for_silent(general: Refiner, silent: list[Pair]) -> Refiner:
    """The general refiner adapted to them, in few steps."""
    return hurriedly(general, *silent)


def error(refiner: Refiner, pair: Pair) -> np.ndarray:
    """RMSE of every channel."""
    estimate = refiner.refine(pair.simulated)
    return root_mean_square_error(pair.measured.to_numpy(), estimate.to_numpy())


def test_a_delayed_and_scaled_emg_is_learnt_from_three_cycles(
    general: Refiner, for_anna: Refiner
) -> None:
    before = error(general, person(6.0, delay=0.1, scale=0.4))[:2]
    after = error(for_anna, person(6.0, delay=0.1, scale=0.4))[:2]
    assert (after < 0.25 * before).all()


def test_one_cycle_sets_the_level_of_every_muscle(general: Refiner, hurried: None) -> None:
    quiet, loud = (personalise(general, [person(1.0, scale=s)]) for s in (0.3, 0.9))
    for channel in CHANNELS:
        levels = [refiner.card.output_maximum[channel] for refiner in (quiet, loud)]
        assert levels[0] == pytest.approx(levels[1] / 3)
        assert levels[0] >= 0.3 * 0.5


def test_a_person_like_everyone_is_left_as_everyone(general: Refiner, shortened: None) -> None:
    adapted = personalise(general, [person(2.0)])
    assert (error(adapted, person(4.0)) < error(general, person(4.0)) + 0.005).all()


def test_a_muscle_that_was_not_measured_stays_as_it_was(
    general: Refiner, anna: Pair, for_anna: Refiner
) -> None:
    adapted = for_anna
    before, after = (r.refine(anna.simulated).to_numpy() for r in (general, adapted))
    assert np.abs(after - before)[:, :2].max() > 0.2
    assert np.sqrt(np.mean((after - before)[:, 2] ** 2)) < 0.05 * 0.6
    assert adapted.card.output_maximum["rectus_femoris"] == pytest.approx(0.6)
    assert "left as they were: rectus femoris" in adapted.card.summary
    assert "the usual maximum" in adapted.card.unit


def test_the_same_seed_gives_the_same_weights_and_the_refiner_given_is_kept(
    general: Refiner, silent: list[Pair], for_silent: Refiner
) -> None:
    kept = [weight.copy() for weight in general.model.get_weights()]
    one = for_silent.model.get_weights()
    again, other = (hurriedly(general, *silent, seed=seed).model.get_weights() for seed in (0, 2))
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(one, other, strict=True))
    for a, b in zip(kept, general.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_card_names_the_person_and_has_no_scores(for_silent: Refiner) -> None:
    adapted = for_silent
    assert adapted.card.name == "general for anna"
    assert [s.subject for s in adapted.card.fitted_on] == ["anna", "anna"]
    assert adapted.card.fitted_on[1].end == pytest.approx(2.99)
    assert adapted.card.scores == {}
    assert "5.0 s of walking" in adapted.card.summary and "anna" in adapted.card.unit


def test_a_silent_muscle_does_not_stop_the_others(silent: list[Pair], for_silent: Refiner) -> None:
    assert 0 < for_silent.card.output_maximum["soleus"] < 0.01
    assert np.isfinite(for_silent.refine(silent[0].simulated).to_numpy()).all()


def test_pairs_that_do_not_fit_are_refused(general: Refiner, refused: Refused) -> None:
    anna = person(2.0)
    with refused("no recordings"):
        personalise(general, [])
    with refused("two subjects", "'anna'", "'ben'"):
        personalise(general, [anna, person(2.0, name="ben")])
    with refused("anna walking", "other measured channels"):
        personalise(general, [anna, replace(anna, measured=anna.measured[CHANNELS[:2]])])
    with refused("'soleas'", "nearest is 'soleus'"):
        measured = anna.measured.rename(columns={"soleus": "soleas"})
        personalise(general, [replace(anna, measured=measured)])
    with refused("inputs"):
        personalise(general, [replace(anna, simulated=anna.simulated[CHANNELS[:2]])])


def test_a_refiner_is_written_whole_or_not_at_all(
    general: Refiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Card, "write", full)
        with pytest.raises(OSError, match="full"):
            save(general, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []
    save(general, tmp_path / "mine")
    again = nem2e_tf.load(tmp_path / "mine")
    simulated = person(2.0).simulated
    np.testing.assert_array_equal(again.refine(simulated), general.refine(simulated))
    with refused(tmp_path / "mine", "already exists"):
        save(general, tmp_path / "mine")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two virtual people who walk three strides."""
    pytest.importorskip("opensim")
    folder = tmp_path_factory.mktemp("people")
    make_cohort(folder, 2, Recipe(7, ("walking",), 3), jobs=1)
    return folder


def arguments(people: Path) -> list[object]:
    """`nem2e personalise` with a refiner `general` and a list of trials `mine.csv`."""
    return ["personalise", "--trials", "mine.csv", "--refiner", "general", "--data", people,
            "-o", "mine", "--jobs", "1"]  # fmt: skip


def listed(people: Path) -> pd.DataFrame:
    """The list of trials, its first person alone."""
    return pd.read_csv(people / "trials.csv", dtype=str, keep_default_na=False).iloc[:1]


def test_the_command_writes_a_refiner_that_knows_the_person(
    people: Path, general: Refiner, tmp_path: Path, shortened: None
) -> None:
    save(general, tmp_path / "general")
    listed(people).to_csv(tmp_path / "mine.csv", index=False)
    result = command.run(*arguments(people), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "wrote mine" in result.stdout and "virtual-" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["general", "mine", "mine.csv"]
    mine = nem2e_tf.load(tmp_path / "mine")
    assert mine.card.fitted_on[-1].synthetic
    trial = read_trials(people / "trials.csv")[0]
    (pair,) = personal.prepare_pairs([trial], general, jobs=1)
    assert error(mine, pair).mean() < error(general, pair).mean()


def test_the_command_refuses_in_one_line_and_leaves_nothing(
    people: Path, general: Refiner, tmp_path: Path
) -> None:
    save(general, tmp_path / "general")
    listed(people).assign(emg="").to_csv(tmp_path / "mine.csv", index=False)
    result = command.start(*arguments(people), cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = (line for line in result.stderr.splitlines() if line.strip())
    assert line.startswith("error: ") and "no emg" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["general", "mine.csv"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(emg=""), ["walking", "no emg"]),
        (lambda t: t.assign(moments=""), ["walking", "no moments"]),
        (lambda t: t.assign(end=str(float(t["start"].iloc[0]) + 0.9)), ["0.9", "less than 1 s"]),
        (lambda t: pd.concat([t, t.assign(subject="ben")]), ["two subjects", "'ben'"]),
        (lambda t: t.assign(emg=t["moments"]), ["no muscle"]),
        (lambda t: t.assign(end="900"), ["900 s", "outside"]),
    ],
    ids=["no-emg", "no-moments", "short", "two-people", "no-channel", "range"],
)
def test_trials_that_cannot_be_learnt_from_are_refused(
    people: Path, general: Refiner, tmp_path: Path, refused: Refused,
    change: Callable[[pd.DataFrame], pd.DataFrame], words: list[str],
) -> None:  # fmt: skip
    change(listed(people)).to_csv(tmp_path / "mine.csv", index=False)
    with refused(*words):
        personal.prepare_pairs(read_trials(tmp_path / "mine.csv", people), general, jobs=1)


def test_trials_may_measure_fewer_muscles_than_the_refiner_knows(
    people: Path, general: Refiner, tmp_path: Path
) -> None:
    trial = read_trials(people / "trials.csv")[0]
    assert trial.emg is not None
    envelopes = read_storage(trial.emg)
    write_storage(envelopes[["soleus_r", "rect_fem_r"]], tmp_path / "some.sto", "two channels")
    (pair,) = personal.prepare_pairs([replace(trial, emg=tmp_path / "some.sto")], general, jobs=1)
    assert list(pair.measured.columns) == ["soleus", "rectus_femoris"]
    assert list(pair.simulated.columns) == CHANNELS
    with pytest.raises(InputError, match="no muscle"):
        write_storage(envelopes[["soleus_r"]].set_axis(["x"], axis=1), tmp_path / "x.sto", "none")
        personal.prepare_pairs([replace(trial, emg=tmp_path / "x.sto")], general, jobs=1)


def test_cycles_go_from_one_largest_knee_flexion_to_another_and_end_before_what_is_scored() -> None:
    walk = person(20.0)
    two = first_cycles(walk, 2)
    assert two is not None
    assert len(two.measured) == pytest.approx(201, abs=1)
    assert two.angles["knee_angle"].iloc[0] == pytest.approx(-1.0, abs=0.01)
    most = first_cycles(walk, 11)
    assert most is not None and most.measured.index[-1] <= 12.0
    assert first_cycles(walk, 12) is None


def test_a_delay_and_a_scale_are_found_by_gain_and_lag_and_by_ridge(
    general: Refiner,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(personal, "STEPS", 2)
    table = curve({"walking": general}, [person(12.0, delay=0.1, scale=0.4)], (0, 3, 50))
    mean = table.set_index(["cycles", "method"])["rmse"]
    assert sorted(mean.index) == sorted([(0, "refiner"), *((3, method) for method in METHODS)])
    assert mean[3, "gain_and_lag"] < 0.25 * mean[0, "refiner"]
    assert mean[3, "ridge"] < 0.25 * mean[0, "refiner"]
    write_curves({RECORDED: table}, tmp_path / "curve")
    assert (tmp_path / "curve.png").read_bytes()[:4] == b"\x89PNG"
    written = (tmp_path / "curve.md").read_text(encoding="utf-8")
    assert f", {mean[3, 'refiner']:.3f} |" in written
    assert "](curve.png)" in written and "](curve/scores.csv)" in written
    assert len(pd.read_csv(tmp_path / "curve" / "scores.csv")) == len(table)
    assert summary(table).to_dict()["rmse", "mean"]["walking", 3, "ridge"] == mean[3, "ridge"]
    # What is kept from a file says the same on the page.
    assert page(read_tables(tmp_path / "curve.json"), "curve") == written


def test_scores_of_something_else_are_no_page(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "curve.json"
    with refused(path, "--page-only"):
        read_tables(path)
    path.write_text('{"Recorded person": [{"task": "walking"}]}')
    with refused(path, "--page-only"):
        read_tables(path)
