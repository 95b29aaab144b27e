"""Envelopes of synthetic EMG (noise with a known envelope), and faults put into it."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_storage, write_storage
from nem2e_tf.signals import output_paths, process_session
from nem2e_tf.signals.emg import envelopes, normalise_envelopes, read_raw
from nem2e_tf.signals.emg_faults import find_faults

Refused = Callable[..., AbstractContextManager[None]]
RATE, SECONDS = 2000.0, 12.0


def modulation(time: np.ndarray) -> np.ndarray:
    """A smooth burst a second, between 0.1 and 1."""
    return 0.1 + 0.9 * (0.5 - 0.5 * np.cos(2 * np.pi * time)) ** 2


def synthetic(
    seed: int = 0, rate: float = RATE, channels: int = 3, scale: float = 1e-4
) -> pd.DataFrame:
    """Synthetic EMG: white noise times a known envelope, as Hogan and Mann model it (1980)."""
    time = np.arange(round(SECONDS * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal((len(time), channels))
    return pd.DataFrame(
        scale * noise * modulation(time)[:, None],
        index=pd.Index(time, name="time"),
        columns=[f"muscle_{i + 1}" for i in range(channels)],
    )


def inner(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.loc[0.5 : SECONDS - 0.5]


def test_the_envelope_of_modulated_noise_is_its_modulation() -> None:
    raw = synthetic(channels=12)
    done = envelopes(raw)
    np.testing.assert_allclose(done.index, np.arange(len(done)) / 100, atol=1e-9)
    assert (done >= 0).all(axis=None)
    mean = inner(done).mean(axis=1)
    known = modulation(mean.index.to_numpy())
    assert np.corrcoef(mean, known)[0, 1] > 0.995
    # White noise of strength 1 to 1000 Hz keeps 43 % of its power in 20-450 Hz, and the mean of
    # what is rectified is sqrt(2 / pi) of its strength.
    gain = (mean * known).sum() / (known**2).sum()
    assert gain == pytest.approx(1e-4 * np.sqrt(0.43) * np.sqrt(2 / np.pi), rel=0.04)


def test_an_envelope_neither_leads_nor_lags() -> None:
    done = inner(envelopes(synthetic(channels=12))).mean(axis=1)
    known = modulation(done.index.to_numpy())
    lags = range(-5, 6)
    scores = [np.corrcoef(np.roll(done.to_numpy(), -lag)[9:-9], known[9:-9])[0, 1] for lag in lags]
    assert lags[int(np.argmax(scores))] == 0


@pytest.mark.parametrize(("frequency", "share"), [(20.0, 0.5**0.5), (450.0, 0.5**0.5)])
def test_the_edges_of_the_band_are_three_decibels_down(frequency: float, share: float) -> None:
    time = np.arange(20000) / RATE
    waves = pd.DataFrame(
        {
            "edge": np.sin(2 * np.pi * frequency * time),
            "middle": np.sin(2 * np.pi * 97.3 * time),
        },
        index=pd.Index(time, name="time"),
    )
    done = envelopes(waves).loc[2:8].mean()
    # At 450 Hz a rectified sine of 2000 Hz is sampled too coarsely to be exact.
    assert done["edge"] / done["middle"] == pytest.approx(share, rel=0.03)


def test_slow_rates_lower_the_band_and_very_slow_ones_are_refused(refused: Refused) -> None:
    done = inner(envelopes(synthetic(rate=500.0, channels=12))).mean(axis=1)
    assert np.corrcoef(done, modulation(done.index.to_numpy()))[0, 1] > 0.98
    with refused("100 samples a second", "envelope already"):
        envelopes(synthetic(rate=100.0))
    with refused("no band from 300 to 250 Hz"):
        envelopes(synthetic(), band=(300.0, 250.0))
    with refused("no sample between"):
        gap = synthetic()
        envelopes(gap.drop(gap.loc[3.0:3.5].index))
    with refused("too few"):
        envelopes(synthetic().iloc[:10])


def test_a_notch_takes_mains_hum_out() -> None:
    clean = synthetic(channels=6)
    time = clean.index.to_numpy()
    hum = 1e-4 * (np.sin(2 * np.pi * 50 * time) + 0.4 * np.sin(2 * np.pi * 150 * time))
    noisy = clean.add(hum, axis=0)
    truth = inner(envelopes(clean))
    without = (inner(envelopes(noisy)) - truth).abs().mean().mean()
    notched = (inner(envelopes(noisy, notch=50.0)) - truth).abs().mean().mean()
    assert notched < 0.15 * without
    assert notched < 0.08 * truth.to_numpy().max()


def test_offset_and_drift_do_not_reach_the_envelope() -> None:
    clean = synthetic()
    time = clean.index.to_numpy()
    drifting = clean.add(3e-3 + 2e-3 * np.sin(2 * np.pi * 0.3 * time), axis=0)
    np.testing.assert_allclose(inner(envelopes(drifting)), inner(envelopes(clean)), atol=1e-6)


def test_normalisation_is_by_one_maximum_over_all_trials_not_by_cycle() -> None:
    weak, strong = (envelopes(synthetic(seed, scale=s)) for seed, s in ((1, 1e-4), (2, 3e-4)))
    a, b = normalise_envelopes([weak, strong])
    assert max(a["muscle_1"].max(), b["muscle_1"].max()) == 1.0
    assert b["muscle_1"].max() == 1.0
    # Every cycle of the weak trial stays weak.
    assert a["muscle_1"].max() < 0.5
    np.testing.assert_allclose(a * strong.max(), weak, rtol=1e-9)


def test_a_voluntary_contraction_sets_the_scale(
    caplog: pytest.LogCaptureFixture, refused: Refused
) -> None:
    trial, contraction = envelopes(synthetic(1)), envelopes(synthetic(2, scale=2e-4))
    (done,) = normalise_envelopes([trial], [contraction])
    np.testing.assert_allclose(done, trial / contraction.max())
    with caplog.at_level(logging.INFO):
        (over,) = normalise_envelopes([contraction], [trial])
    assert over.max().max() > 1.5
    assert "above the reference's maximum: muscle_1" in caplog.records[-1].getMessage()
    with refused("no channel 'muscle_3'"):
        normalise_envelopes([trial], [contraction.drop(columns="muscle_3")])


def test_faults_are_found_where_they_are_and_only_there() -> None:
    raw = synthetic(channels=7)
    time = raw.index.to_numpy()
    raw["muscle_1"] = 0.0
    raw["muscle_2"] *= 1e-4
    raw["muscle_3"] = raw["muscle_3"].clip(-1.2e-4, 1.2e-4)
    raw["muscle_4"] += 8e-5 * np.sin(2 * np.pi * 50 * time)
    raw["muscle_5"] += 1e-3 * np.sin(2 * np.pi * 0.2 * time)
    raw["muscle_6"] += 1e-3
    found = find_faults(raw)
    assert [s.split(":")[0] for s in found["muscle_1"]] == ["dead"]
    assert [s.split(":")[0] for s in found["muscle_2"]] == ["dead"]
    assert [s.split(":")[0] for s in found["muscle_3"]] == ["clipped"]
    assert [s.split(":")[0] for s in found["muscle_4"]] == ["mains hum"]
    assert "--notch 50" in found["muscle_4"][0]
    assert [s.split(":")[0] for s in found["muscle_5"]] == ["drift"]
    assert [s.split(":")[0] for s in found["muscle_6"]] == ["offset"]
    assert found["muscle_7"] == []


def test_recorded_envelopes_are_not_taken_for_raw_emg(overground: Path) -> None:
    found = find_faults(read_raw(overground / "electromyography.sto"))
    assert len(found) == 10
    assert all("an envelope already" in sentences[0] for sentences in found.values())


def test_hum_of_sixty_hertz_is_called_sixty() -> None:
    raw = synthetic(channels=1)
    raw["muscle_1"] += 8e-5 * np.sin(2 * np.pi * 60 * raw.index.to_numpy())
    assert "60 Hz" in find_faults(raw)["muscle_1"][0]


def test_clean_synthetic_emg_has_no_fault_at_any_rate() -> None:
    for rate in (1000.0, 2000.0):
        for seed in range(3):
            assert not any(find_faults(synthetic(seed, rate)).values())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_is_read_as_it_is_written(tmp_path: Path, separator: str) -> None:
    raw = synthetic().iloc[:3000]
    path = tmp_path / "raw.csv"
    raw.to_csv(path, sep=separator, index_label="Time")
    pd.testing.assert_frame_equal(read_raw(path), raw, check_names=False)
    write_storage(raw, tmp_path / "raw.sto", "raw")
    pd.testing.assert_frame_equal(read_raw(tmp_path / "raw.sto"), raw)
    assert list(read_raw(path, ["muscle_2"]).columns) == ["muscle_2"]
    if separator != ",":
        raw.to_csv(path, sep=separator, decimal=",", index_label="time")
        pd.testing.assert_frame_equal(read_raw(path), raw, check_names=False)


def test_an_anc_is_read_by_its_row_of_names(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "walk.anc"
    head = "File_Type:\tAnalog R/C ASCII\tGeneration#:\t1\nBoard_Type:\tX\tPolarity:\tBipolar\n\n\n"
    rows = ["Name\tTA\tSOL\t", "Rate\t1000\t1000\t", "Range\t10000\t10000\t"]
    rows += [f"{i / 1000:.6f}\t{i}\t{-i}\t" for i in range(4)]
    path.write_text(head + "\n".join(rows) + "\n")
    raw = read_raw(path, ["SOL"])
    np.testing.assert_allclose(raw.index, [0.0, 0.001, 0.002, 0.003])
    assert raw["SOL"].tolist() == [0, -1, -2, -3]
    for old, new, expected in (
        ("File_Type", "Filetype", "File_Type:"),
        ("Name", "Names", "'Name' row"),
        ("\t-2", "", "row 3 has 2 values"),
        ("\t-2", "\tlow", "not a number"),
        ("\t-2", "\tnan", "not a finite number"),
        ("0.002", "0.001", "time stands still"),
    ):
        text = head + "\n".join(rows).replace(old, new)
        path.write_text(text.replace(old, new))
        with refused(path, expected):
            read_raw(path)


def test_files_that_are_no_emg_are_refused_in_one_line(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "raw.csv"
    faulty = {
        "": "is empty",
        "time,a\n0,1\n1,2,3\n": "more values than the 2 columns",
        "a,b\n1,2\n": "no column 'time'",
        "time\n1\n2\n": "no rows of numbers",
        "time,a\n0,1\n0.1,x\n": "'x' is not a number",
        "time,a\n0,1\n0.1,\n": "channel 'a'",
        "time,a\n0.1,1\n0,2\n": "goes backwards",
    }
    for text, word in faulty.items():
        path.write_text(text)
        with refused(path, word):
            read_raw(path)
    with refused("no channel 'soleus'", "'muscle_1'"):
        synthetic().iloc[:100].to_csv(path)
        read_raw(path, ["soleus"])
    with refused("not raw EMG"):
        read_raw(Path(__file__))


def test_a_session_leaves_dead_channels_out_and_says_so(tmp_path: Path, refused: Refused) -> None:
    files = [tmp_path / "slow.sto", tmp_path / "fast.sto"]
    for seed, file in enumerate(files):
        raw = synthetic(seed, scale=(seed + 1) * 1e-4)
        raw["muscle_2"] = 0.0
        write_storage(raw, file, "raw")
    done = process_session(files)
    assert list(done.trials) == files
    assert all(list(f.columns) == ["muscle_1", "muscle_3"] for f in done.trials.values())
    assert done.trials[files[1]].max().tolist() == [1.0, 1.0]
    assert done.trials[files[0]].max().max() < 0.9
    assert len(done.faults) == 2 and all("muscle_2: dead" in f for f in done.faults)
    lacking = tmp_path / "lacking.sto"
    write_storage(synthetic(channels=2), lacking, "raw")
    with refused(lacking, "muscle_3", "--channel"):
        process_session([files[0], lacking])
    assert list(process_session([files[0], lacking], channels=["muscle_1"]).trials) == [
        files[0],
        lacking,
    ]
    with refused("all channels are dead"):
        process_session([files[0]], channels=["muscle_2"])


def test_each_trial_has_its_own_output(tmp_path: Path, refused: Refused) -> None:
    a, b = tmp_path / "a.sto", tmp_path / "b.sto"
    for path in (a, b):
        write_storage(synthetic().iloc[:100], path, "raw")
    assert output_paths([a], tmp_path / "env.sto") == {a: tmp_path / "env.sto"}
    folder = tmp_path / "out"
    assert output_paths([a, b], folder) == {a: folder / "a.sto", b: folder / "b.sto"}
    with refused("name a folder"):
        output_paths([a, b], tmp_path / "env.sto")
    with refused("also an input"):
        output_paths([a, b], tmp_path)
    with refused("also an input"):
        output_paths([a], b, [b])
    with refused("same name"):
        output_paths([a, tmp_path / "out" / "a.csv"], folder)
    assert read_storage(a).shape == (100, 3)
