"""Windows that training is fed with, from shards on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.edge import PADDING
from nem2e_tf.errors import InputError
from nem2e_tf.pipeline.shards import Manifest, Pair, Shards, read_shard_info, write_shard
from nem2e_tf.pipeline.windows import Augmentation, channel_maxima, make_windows, maxima_by_person

Written = Callable[..., Shards]
ONES = (
    {"a": 1.0, "b": 1.0},
    {(s, t): {"c": 1.0} for s in ("s1", "s2") for t in ("walking", "running")},
)


def made_up(frames: int, subject: str = "s1", task: str = "walking") -> Pair:
    """A synthetic recording whose values count the frames."""
    index = pd.Index(np.arange(frames) / 100.0, name="time")
    count = np.arange(1.0, frames + 1.0)
    return Pair(
        subject, task,
        pd.DataFrame({"a": count, "b": 2 * count}, index=index),
        pd.DataFrame({"c": count}, index=index),
        pd.DataFrame({"knee_angle": -count}, index=index),
    )  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write recordings as shards and open them."""

    def write(*recordings: Pair) -> Shards:
        described = []
        for i, recording in enumerate(recordings):
            write_shard(recording, tmp_path / f"{i}.tfrecord")
            described.append(read_shard_info(tmp_path / f"{i}.tfrecord"))
        Manifest(
            rate=100.0, simulated=["a", "b"], measured=["c"], angles=["knee_angle"],
            shards=[shard for shard in described if shard],
        ).write(tmp_path)  # fmt: skip
        return Shards.open(tmp_path)

    return write


def cut(
    shards: Shards,
    frames: int = 20,
    hop: int = 10,
    inputs: dict[str, float] = ONES[0],
    **options: object,
) -> list[np.ndarray]:
    dataset = make_windows(shards, inputs, ONES[1], frames=frames, hop=hop, batch=4, **options)  # type: ignore[arg-type]
    return [np.concatenate(part) for part in zip(*dataset.as_numpy_iterator(), strict=True)]


def test_a_shard_gives_back_what_was_written(written: Written) -> None:
    recording = made_up(57)
    (again,) = written(recording).pairs()
    assert (again.subject, again.task) == ("s1", "walking")
    for series in ("simulated", "measured", "angles"):
        pd.testing.assert_frame_equal(getattr(again, series), getattr(recording, series))


def test_windows_cover_every_frame_and_keep_both_sides_together(written: Written) -> None:
    x, y, mask = cut(written(made_up(47)))
    assert x.shape == (4, 20, 2) and y.shape == (4, 20, 1) and mask.all()
    assert set(y.astype(int).ravel()) == set(range(1, 48))
    np.testing.assert_array_equal(x[..., 0], y[..., 0])
    np.testing.assert_array_equal(x[..., 1], 2 * y[..., 0])


def test_the_inputs_are_those_that_have_a_maximum(written: Written) -> None:
    x, y, _ = cut(written(made_up(47)), inputs={"b": 4.0, "knee_angle": 1.0})
    assert x.shape == (4, 20, 2)
    np.testing.assert_array_equal(x[..., 0], y[..., 0] / 2)
    np.testing.assert_array_equal(x[..., 1], -y[..., 0])


def test_an_input_that_no_recording_has_is_named(written: Written) -> None:
    with pytest.raises(InputError, match=r"no input 'knee_angel'.*knee_angle"):
        cut(written(made_up(47)), inputs={"knee_angel": 1.0})


def test_no_thread_tunes_the_dataset_and_holds_its_end(written: Written) -> None:
    shards = written(made_up(60))
    dataset = make_windows(shards, *ONES, frames=20, hop=10, batch=None, seed=1).repeat().batch(2)
    assert dataset.options().autotune.enabled is False


def test_a_recording_shorter_than_a_window_is_padded_and_masked(written: Written) -> None:
    x, _, mask = cut(written(made_up(12)))
    assert (x[0, 12:] == PADDING).all()
    np.testing.assert_array_equal(mask[0], np.arange(20) < 12)


def test_no_window_spans_two_recordings(written: Written) -> None:
    _, y, _ = cut(written(made_up(30), made_up(30)))
    assert (np.diff(y[..., 0], axis=1) == 1).all()


def test_recordings_are_chosen_by_subject_and_by_task(written: Written) -> None:
    shards = written(made_up(30), made_up(40, "s2"), made_up(50, "s2", "running"))
    of_s2 = shards.select(lambda shard: shard.subject == "s2")
    assert [r.name for r in of_s2.pairs()] == ["s2 walking", "s2 running"]
    running = of_s2.select(lambda shard: shard.task == "running")
    assert cut(running)[1].max() == 50


def test_blocks_of_time_share_no_frame(written: Written) -> None:
    shards = written(made_up(1000))
    seen = [
        set(cut(shards, block=block)[1].astype(int).ravel())
        for block in ((0.0, 0.5), (0.5, 0.6), (0.62, 1.0))
    ]
    assert [len(s) for s in seen] == [500, 100, 380]
    assert not (seen[0] & seen[1] or seen[1] & seen[2] or seen[0] & seen[2])


def test_shuffling_repeats_under_its_seed_and_changes_from_pass_to_pass(written: Written) -> None:
    shards = written(made_up(300))

    def passes() -> list[np.ndarray]:
        dataset = make_windows(shards, *ONES, frames=20, hop=5, batch=64, seed=7)
        return [next(iter(dataset))[1].numpy() for _ in range(2)]

    (first, second), again = passes(), passes()
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.sort(first.ravel()), np.sort(second.ravel()))


def test_augmentation_repeats_under_its_seed_and_changes_from_pass_to_pass(
    written: Written,
) -> None:
    shards = written(made_up(300))
    changes = Augmentation(time_warp=0.2, gain=0.3, shift=2.0, dropout=0.1)

    def passes() -> list[np.ndarray]:
        dataset = make_windows(
            shards, *ONES, frames=20, hop=5, batch=64, seed=7, augmentation=changes
        )
        return [next(iter(dataset))[0].numpy() for _ in range(2)]

    (first, second), again = passes(), passes()
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])
    assert not np.array_equal(np.sort(first.ravel()), np.sort(second.ravel()))


def test_gain_and_dropout_change_simulated_channels_alone(written: Written) -> None:
    changes = Augmentation(gain=0.5, dropout=0.3)
    x, y, _ = cut(
        written(made_up(400)),
        hop=2,
        inputs=ONES[0] | {"knee_angle": 1.0},
        seed=1,
        augmentation=changes,
    )
    factor = x / np.stack([y[..., 0], 2 * y[..., 0], -y[..., 0]], axis=-1)
    np.testing.assert_allclose(factor[..., 2], 1.0, rtol=1e-6)
    per_window = factor[:, 0, :2]
    np.testing.assert_allclose(
        factor[..., :2], per_window[:, None] + 0 * factor[..., :2], rtol=1e-4
    )
    silent = per_window == 0
    assert 0.2 < silent.mean() < 0.4
    assert per_window[~silent].min() < 0.6 and per_window[~silent].max() > 1.4
    assert (per_window[~silent] >= 0.5 - 1e-5).all() and (per_window <= 1.5 + 1e-5).all()


def test_time_warp_stretches_both_sides_alike_within_its_bound(written: Written) -> None:
    x, y, _ = cut(
        written(made_up(2000)), frames=50, hop=20, seed=1,
        augmentation=Augmentation(time_warp=0.3),
    )  # fmt: skip
    np.testing.assert_allclose(x[..., 0], y[..., 0], rtol=1e-5)
    speed = np.diff(y[..., 0], axis=1)
    # At the ends of a window time stands still rather than leaving it.
    assert speed.max() > 1.2 and speed.max() < 1.31 and speed.min() > -1e-3


def test_shift_moves_one_side_against_the_other(written: Written) -> None:
    x, y, _ = cut(written(made_up(2000)), hop=20, seed=1, augmentation=Augmentation(shift=3.0))
    moved = (x[..., 0] - y[..., 0])[:, 5:15]
    assert np.ptp(moved, axis=1).max() < 1e-2
    assert 2.0 < np.abs(moved).max() <= 3.01


def test_augmentation_leaves_padding_alone(written: Written) -> None:
    changes = Augmentation(time_warp=0.2, gain=0.5, shift=3.0, dropout=0.2)
    x, _, mask = cut(written(made_up(12)), seed=3, augmentation=changes)
    assert (x[mask == 0] == PADDING).all()


def test_maxima_are_taken_over_all_recordings() -> None:
    assert channel_maxima([made_up(10).simulated, made_up(30).simulated]) == {"a": 30.0, "b": 60.0}


def test_every_subject_has_a_scale_of_its_own_in_every_task(written: Written) -> None:
    shards = written(made_up(30), made_up(60, "s2"), made_up(40, task="running"), made_up(50))
    scale = maxima_by_person(shards.pairs())
    assert scale == {
        ("s1", "walking"): {"c": 50.0},
        ("s2", "walking"): {"c": 60.0},
        ("s1", "running"): {"c": 40.0},
    }
    dataset = make_windows(shards, ONES[0], scale, frames=20, hop=10, batch=None)
    y = np.stack([measured for _, measured, _ in dataset.as_numpy_iterator()])
    assert y[:2].max() == pytest.approx(30 / 50) and y[2:7].max() == pytest.approx(1.0)


def test_strength_changes_all_channels_alike_and_noise_every_frame(written: Written) -> None:
    x, y, _ = cut(written(made_up(400)), seed=1, augmentation=Augmentation(strength=0.4))
    factor = x / np.concatenate([y, 2 * y], axis=-1)
    np.testing.assert_allclose(factor, factor[:, :1, :1] + 0 * factor, rtol=1e-5)
    assert factor.min() < 0.75 and factor.max() > 1.25
    x, y, _ = cut(written(made_up(2000)), seed=1, augmentation=Augmentation(noise=0.1))
    assert np.std(x[..., 0] - y[..., 0]) == pytest.approx(0.1, rel=0.1)


def test_blocks_of_a_recording_share_no_frame() -> None:
    parts = [made_up(1000).block(*share) for share in ((0, 0.5), (0.5, 0.6), (0.62, 1.0))]
    times = np.concatenate([p.measured.index for p in parts])
    assert len(set(times)) == len(times) == 980
