"""What holds for every file: what was written is read, and any bytes end in a value or one line."""

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import nem2e_tf
from nem2e_tf.edge import MANIFEST, Manifest, shipped_refiners
from nem2e_tf.edge.refiner import read_signals
from nem2e_tf.errors import LONGEST_MESSAGE, InputError
from nem2e_tf.files import (
    COLUMNS,
    check_document,
    read_c3d,
    read_storage,
    read_trials,
    write_storage,
)
from nem2e_tf.files.trc import read_trc
from nem2e_tf.refiner import CARD, Card
from nem2e_tf.refiner.stream import stream_lines
from nem2e_tf.signals.emg import read_raw
from tests.fuzz.__main__ import READERS
from tests.fuzz.mutation import Mutation
from tests.fuzz.readers import OPENED, Reader, open_reader

Refused = Callable[..., AbstractContextManager[None]]
# The same examples in every run, and none kept between them.
same = settings(derandomize=True, database=None, deadline=None, max_examples=60)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp", "Zs")), min_size=1, max_size=20
).filter(lambda name: name.lower() != "time" and name.strip() == name)


@st.composite
def frames(draw: Any) -> pd.DataFrame:
    """Time series of any numbers and any names."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    times = draw(st.lists(NUMBERS, min_size=1, max_size=6, unique=True))
    values = draw(arrays(float, (len(times), len(names)), elements=NUMBERS))
    return pd.DataFrame(values, index=pd.Index(sorted(times), name="time"), columns=names)


@same
@given(frames(), st.text(max_size=30))
@example(pd.DataFrame({'a "b" c,': [1.0]}, index=pd.Index([0.1], name="time")), "a\nendheader\n=")
def test_a_frame_that_was_written_is_read_bit_for_bit(frame: pd.DataFrame, title: str) -> None:
    with TemporaryDirectory() as folder:
        write_storage(frame, Path(folder) / "a.sto", title)
        pd.testing.assert_frame_equal(
            read_storage(Path(folder) / "a.sto"), frame, check_exact=True, check_column_type=False
        )


@same
@given(
    st.text(max_size=50), st.floats(0.1, 10_000), st.floats(1.0, 3600),
    st.lists(st.floats(1e-300, 1e300), min_size=9, max_size=9),
)  # fmt: skip
def test_a_card_that_was_written_is_read(
    text: str, rate: float, window: float, maxima: list[float]
) -> None:
    card = Card.read(shipped_refiners()["walking"] / CARD)
    card = card.model_copy(
        update={
            "name": text, "summary": text, "rate": max(rate, 2 / window), "window": window,
            "input_maximum": dict(zip(card.inputs, maxima, strict=True)),
        }
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        card.write(Path(folder) / CARD)
        assert Card.read(Path(folder) / CARD) == card


@same
@given(st.dictionaries(NAMES, st.dictionaries(NAMES, st.integers() | NAMES)))
def test_a_manifest_of_exports_that_was_written_is_read(forms: dict[str, Any]) -> None:
    manifest = Manifest.read(shipped_refiners()["stream"])
    with TemporaryDirectory() as folder:
        manifest_again = Manifest(Path(folder), manifest.layout, forms)
        (Path(folder) / MANIFEST).write_text(json.dumps(manifest_again.as_json()))
        assert Manifest.read(Path(folder)) == manifest_again


@pytest.fixture(scope="module", params=READERS)
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A reader, and seeds of its format."""
    reader = open_reader(request.param, tmp_path_factory.mktemp("fuzz") / request.param)
    yield reader
    reader.close()


def test_every_reader_is_fuzzed() -> None:
    assert set(READERS) == set(OPENED)


def test_a_seed_of_each_reader_is_read(reader: Reader) -> None:
    assert not all(reader.refuses(seed) for seed in reader.seeds)


def test_any_change_of_a_file_ends_in_a_value_or_in_one_line(reader: Reader) -> None:
    mutation = Mutation(reader.tokens)

    @same
    @given(st.sampled_from(reader.seeds), st.lists(st.integers(0, 2**32), max_size=3))
    def check_property(data: bytes, changes: list[int]) -> None:
        for change in changes:
            data = mutation.changed(data, 4096, change)
        reader.refuses(data)

    check_property()


def test_any_bytes_end_in_a_value_or_in_one_line(reader: Reader) -> None:
    @same
    @given(st.binary(max_size=600))
    def check_property(data: bytes) -> None:
        reader.refuses(data)

    check_property()


@same
@given(st.text(max_size=3000))
def test_a_message_is_one_line_that_a_terminal_shows_as_it_is(text: str) -> None:
    message = str(InputError(text))
    assert message.isprintable()
    assert len(message) <= LONGEST_MESSAGE
    assert str(InputError(message)) == message


# What the fuzzer found, each with the smallest file that showed it. `tests/test_trust.py` and
# `tests/cli/bad_inputs.py` have the rest.


@pytest.mark.parametrize("count", ["²", "٣", "9" * 5000])
def test_a_count_that_is_no_number_is_not_believed(tmp_path: Path, count: str) -> None:
    path = tmp_path / "a.sto"
    path.write_text(f"nRows={count}\nendheader\ntime\tx\n0\t1\n", encoding="utf-8")
    assert len(read_storage(path)) == 1
    path = tmp_path / "a.trc"
    path.write_text(
        f"PathFileType\nNumFrames\tUnits\n{count}\tm\nFrame#\tTime\tA\n\n1\t0\t1\t1\t1\n",
        encoding="utf-8",
    )
    assert len(read_trc(path)) == 1


def test_a_number_of_thousands_of_digits_is_none(tmp_path: Path, refused: Refused) -> None:
    path = tmp_path / "emg.csv"
    path.write_text(f"time,soleus\n0,1\n0.001,{'9' * 4400}\n")
    with refused(path, "column 'soleus', row 2"):
        read_raw(path)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
def test_a_name_that_no_file_can_have_is_refused(
    tmp_path: Path, refused: Refused, name: str
) -> None:
    path = tmp_path / "trials.csv"
    path.write_text(f"{','.join(COLUMNS)}\ns,walking,{name},a.mot,,,,0,1\n")
    with refused(path, "line 2, column 'model'", "no file"):
        read_trials(path)


@pytest.mark.parametrize("time", ["1e300", "-1e300", "1e12"])
def test_a_time_beyond_all_clocks_does_not_hold_a_stream_up(time: str) -> None:
    refiner = nem2e_tf.load("stream", runtime="tflite-int8")
    names = refiner.names(refiner.card.inputs, "r")
    lines = [",".join(["time", *names]), *(",".join([time, *["0.1"] * 9]) for _ in range(2))]
    notes: list[str] = []
    assert len(list(stream_lines(refiner, lines, warn=notes.append))) == 1
    assert notes[0].startswith("line 2") and "left out" in notes[0]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A synthetic C3D file of two markers, a force plate and EMG."""
    folder = tmp_path_factory.mktemp("c3d")
    process = Path(__file__).with_name("c3d_process.py")
    subprocess.run([sys.executable, "-P", process, "--seeds", folder], check=True)
    return (folder / "seed-1.c3d").read_bytes()


def test_damaged_parameters_of_force_plates_do_not_cost_the_markers(
    walk: bytes, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "walk.c3d"
    path.write_bytes(walk)
    whole = read_c3d(path)
    assert len(whole.plates) == 1 and list(whole.analog.columns) == ["EMG"]
    path.write_bytes(walk.replace(b"CHANNEL", b"CHANNEX"))
    pd.testing.assert_frame_equal(read_c3d(path).markers, whole.markers)
    with refused(path, "no force plate", "FORCE_PLATFORM"):
        read_c3d(path).ground_reactions()


def test_a_c3d_header_that_points_nowhere_is_refused(
    walk: bytes, tmp_path: Path, refused: Refused
) -> None:
    path = tmp_path / "walk.c3d"
    path.write_bytes(b"\0" + walk[1:])
    with refused(path):
        read_c3d(path)


def test_a_card_of_enormous_numbers_is_refused_by_library_and_device(
    tmp_path: Path, refused: Refused
) -> None:
    card = json.loads((shipped_refiners()["walking"] / CARD).read_bytes())
    name = card["outputs"][0]
    for change in (
        {"output_maximum": card["output_maximum"] | {name: 10**400}},
        {"rate": 10**4000},
        {"interval": card["interval"] | {name: {"level": [1e308, -1e308], "lower": [0, 0],
                                                "upper": [0, 0]}}},
    ):  # fmt: skip
        (tmp_path / CARD).write_text(json.dumps(card | change))
        with refused(tmp_path / CARD):
            Card.read(tmp_path / CARD)
        if "interval" not in change:
            with refused(tmp_path / CARD):
                read_signals(tmp_path)


def test_a_name_in_other_letters_is_looked_for_as_it_is(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "\u263a.vtp").touch()
    path = tmp_path / "model" / "leg.osim"
    path.parent.mkdir()
    path.write_text("<Model><mesh_file>../&#x263A;.vtp</mesh_file></Model>")
    with refused(path, "outside its folder"):
        check_document(path, "an OpenSim model", "Model")


# Sizes that a small file can announce: the memory that reading it takes is bounded by the file's.


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [
        ("a.sto", "endheader\ntime\t" + "\t".join(f"x{i}" for i in range(5_000)), "{}"),
        ("a.csv", "time," + ",".join(f"x{i}" for i in range(5_000)), "{}"),
        ("a.trc", "PathFileType\nUnits\nm\nFrame#\tTime\t"
         + "\t".join(f"x{i}" for i in range(5_000)) + "\n", "1\t{}"),
    ],
)  # fmt: skip
def test_memory_is_bounded_by_the_size_of_a_file(
    tmp_path: Path, refused: Refused, name: str, head: str, row: str
) -> None:
    path = tmp_path / name
    # As a full table it would be 5,000 rows of 5,000 columns: 200 MB.
    path.write_text(head + "\n" + "".join(row.format(i / 100) + "\n" for i in range(5_000)))
    tracemalloc.start()
    with refused(path):
        (read_trc if name.endswith("trc") else read_raw)(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * path.stat().st_size
