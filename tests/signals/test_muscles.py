"""Channels found in the names of real models and files, and muscle maps that people write."""

import doctest
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import read_storage, write_storage
from nem2e_tf.signals import MuscleMap, combine, muscles

Refused = Callable[..., AbstractContextManager[None]]

# The same nine muscles in the model of Delp et al. 1990 and in that of Rajagopal et al. 2016.
NAMES = {
    "soleus": ("soleus", "soleus"),
    "gastrocnemius_medialis": ("med_gas", "gasmed"),
    "gastrocnemius_lateralis": ("lat_gas", "gaslat"),
    "tibialis_anterior": ("tib_ant", "tibant"),
    "semimembranosus": ("semimem", "semimem"),
    "biceps_femoris": ("bifemlh", "bflh"),
    "vastus_lateralis": ("vas_lat", "vaslat"),
    "rectus_femoris": ("rect_fem", "recfem"),
    "vastus_medialis": ("vas_med", "vasmed"),
}
CHANNELS = list(NAMES)


@pytest.fixture(scope="module")
def default() -> MuscleMap:
    return MuscleMap.load()


def muscle_names(model: Path, opensim: Any) -> list[str]:
    loaded = opensim.Model(str(model))
    found = loaded.getMuscles()
    return [found.get(i).getName() for i in range(found.getSize())]


@pytest.mark.parametrize("side", ["r", "l"])
@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("ceinms-lower-limb/gait2392.osim", 0),
        ("opensim-3d-walking/subject_walk_scaled.osim", 1),
    ],
)
def test_the_default_map_finds_its_nine_channels_in_both_families_of_models(
    default: MuscleMap, data: Path, opensim: Any, model: str, family: int, side: str
) -> None:
    available = muscle_names(data / model, opensim)

    found = default.columns(available, side)

    assert found == {name: {f"{NAMES[name][family]}_{side}": 1.0} for name in CHANNELS}
    assert default.require_columns(CHANNELS[:3], available, side, model) == {
        channel: found[channel] for channel in CHANNELS[:3]
    }


def test_the_default_map_finds_its_channels_in_measured_emg(
    default: MuscleMap, lower_limb: Path, overground: Path
) -> None:
    measured = read_storage(lower_limb / "walk45" / "emgFilt.sto")
    assert list(default.columns(measured.columns, "r")) == CHANNELS
    assert default.columns(measured.columns, "l") == {}

    # This file names the channels themselves, and has one gastrocnemius and no vastus_medialis.
    named = read_storage(overground / "electromyography.sto")
    assert default.columns(named.columns, "r") == {
        channel: {channel: 1.0}
        for channel in ("soleus", "tibialis_anterior", "biceps_femoris", "vastus_lateralis",
                        "rectus_femoris")
    }  # fmt: skip


def test_weights_of_a_channel_add_up_to_one() -> None:
    table = {"hamstrings": {"semimem": 2, "semiten": 1, "bifemlh": 1}}
    hamstrings = MuscleMap.parse(table, "map")

    found = hamstrings.columns(["bifemlh_l", "semimem_l", "semiten_l", "semimem_r"], "l")

    assert found == {"hamstrings": {"semimem_l": 0.5, "semiten_l": 0.25, "bifemlh_l": 0.25}}


def test_a_refined_file_with_the_leading_muscle_alone_gives_the_channel() -> None:
    hamstrings = MuscleMap.parse({"hamstrings": {"semimem": 0.6, "semiten": 0.4}}, "map")

    assert hamstrings.columns(["semimem_r"], "r") == {"hamstrings": {"semimem_r": 1.0}}
    assert hamstrings.columns(["semiten_r"], "r") == {}


def test_a_channel_goes_by_its_own_name_first_and_by_its_side_before_none() -> None:
    calf = MuscleMap.parse({"calf": ["soleus"]}, "map")

    assert calf.columns(["calf", "soleus_r"], "r") == {"calf": {"calf": 1.0}}
    assert calf.columns(["soleus", "soleus_r", "soleus_l"], "r") == {"calf": {"soleus_r": 1.0}}
    assert calf.columns(["soleus", "soleus_l"], "r") == {"calf": {"soleus": 1.0}}


def test_alternatives_are_tried_in_their_order() -> None:
    either = MuscleMap.parse({"x": ["first", {"second": 3.0}]}, "map")

    assert either.columns(["second_r", "first_r"], "r") == {"x": {"first_r": 1.0}}
    assert either.columns(["second_r"], "r") == {"x": {"second_r": 1.0}}


def test_the_side_with_the_most_channels_is_found(default: MuscleMap, lower_limb: Path) -> None:
    measured = list(read_storage(lower_limb / "walk45" / "emgFilt.sto").columns)
    mirrored = [f"{name[:-2]}_l" for name in measured]

    assert default.find_side(CHANNELS, measured) == "r"
    assert default.find_side(CHANNELS, mirrored) == "l"
    assert default.find_side(CHANNELS, [*mirrored, *measured[:3]]) == "l"
    assert default.find_side(CHANNELS, [*mirrored, *measured]) == "r"


def test_a_user_map_is_read_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text("calf: soleus\nthigh:\n- {vas_lat: 3, vas_med: 1}\n- vaslat\n")

    own = MuscleMap.load(path)

    assert own.channels == {
        "calf": ({"soleus": 1.0},),
        "thigh": ({"vas_lat": 3.0, "vas_med": 1.0}, {"vaslat": 1.0}),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["table of channels"]),
        ("- soleus\n", ["table of channels"]),
        ("soleus\n", ["table of channels"]),
        ("calf: [soleus\n", ["not YAML"]),
        ("calf:\n", ["'calf'", "None"]),
        ("calf: 3\n", ["'calf'", "3"]),
        ("calf: [soleus, 3]\n", ["'calf'", "3"]),
        ("calf: {}\n", ["'calf'", "{}"]),
        ("calf: {soleus: 0}\n", ["'calf'", "'soleus'", "0", "positive"]),
        ("calf: {soleus: -1.5}\n", ["'calf'", "'soleus'", "-1.5"]),
        ("calf: {soleus: heavy}\n", ["'calf'", "'soleus'", "'heavy'"]),
        ("calf: {soleus: true}\n", ["'calf'", "'soleus'", "True"]),
        ("calf: {soleus: .nan}\n", ["'calf'", "'soleus'", "nan"]),
        ("calf: {soleus: .inf}\n", ["'calf'", "'soleus'", "inf"]),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_by_file_and_channel(
    tmp_path: Path, refused: Refused, text: str, words: list[str]
) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text)

    with refused(path, *words):
        MuscleMap.load(path)


def test_a_map_that_is_not_there_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(tmp_path / "map.yaml", "no such file", "muscle map"):
        MuscleMap.load(tmp_path / "map.yaml")


def test_a_channel_that_is_not_there_is_refused_with_the_nearest_name(
    default: MuscleMap, refused: Refused
) -> None:
    with refused("a.sto", "'tib_ant_r' or 'tibant_r'", "'tibialis_anterior'", "'tib_antr'"):
        default.require_columns(["tibialis_anterior"], ["soleus_r", "tib_antr"], "r", "a.sto")
    with refused("'soleus_l'", "nearest is 'soleus_r'"):
        default.require_columns(["soleus"], ["soleus_r", "med_gas_r"], "l", "a.sto")
    with refused("'gracilis'", "there are 'x', 'y'"):
        default.require_columns(["gracilis"], ["x", "y"], "r", "a.sto")
    with refused("'soleus_r'", "there are none"):
        default.require_columns(["soleus"], [], "r", "a.sto")


def test_a_channel_counts_as_measured_if_any_file_has_it(
    default: MuscleMap, tmp_path: Path
) -> None:
    def emg(name: str, *columns: str) -> Path:
        frame = pd.DataFrame(0.0, index=pd.Index([0.0, 0.1], name="time"), columns=columns)
        write_storage(frame, tmp_path / name, "EMG")
        return tmp_path / name

    # The right leg has more of the channels, so the left soleus is none.
    right = emg("right.sto", "soleus_l", "tib_ant_r", "vas_lat_r")
    left = emg("left.sto", "soleus_l", "gaslat_l")
    assert default.measured_channels_in([right]) == ["tibialis_anterior", "vastus_lateralis"]
    both = ["soleus", "gastrocnemius_lateralis", "tibialis_anterior", "vastus_lateralis"]
    assert default.measured_channels_in([right, tmp_path / "gone.sto", left]) == both
    assert default.measured_channels_in([tmp_path / "gone.sto"]) == []


def test_channels_are_weighted_sums_of_columns() -> None:
    columns = pd.DataFrame({"a": [1.0, 2.0], "b": [10.0, 30.0]}, index=[0.0, 0.1])

    channels = combine(columns, {"x": {"a": 0.25, "b": 0.75}, "y": {"b": 1.0}})

    expected = pd.DataFrame({"x": [7.75, 23.0], "y": [10.0, 30.0]}, index=[0.0, 0.1])
    pd.testing.assert_frame_equal(channels, expected)


def test_equal_columns_keep_their_value_whatever_the_weights() -> None:
    generator = np.random.default_rng(0)
    weights = {f"m{i}": float(w) for i, w in enumerate(generator.uniform(0.1, 5.0, 6))}
    signal = generator.random(20)
    columns = pd.DataFrame({f"{name}_r": signal for name in weights})

    found = MuscleMap.parse({"x": weights}, "map").columns(columns.columns, "r")

    np.testing.assert_allclose(combine(columns, found)["x"], signal, rtol=1e-12)


def test_the_example_in_the_documentation_is_right() -> None:
    assert doctest.testmod(muscles) == (0, 2)
