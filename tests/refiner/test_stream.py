"""Refining frame by frame, and `nem2e stream` as a person pipes a sensor into it."""

import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nem2e_tf
from nem2e_tf import StreamingRefiner, edge
from nem2e_tf.edge import MANIFEST, shipped_refiners, windows
from nem2e_tf.files import write_storage
from nem2e_tf.refiner import Refiner, load
from nem2e_tf.refiner.runtimes import choose_stream_runtime
from nem2e_tf.refiner.stream import MAX_GAP, MAX_LATENESS, stream_lines
from tests import command
from tests.repository import NEM2E

EXACT = 1e-5
RUNTIMES = ("keras", "tflite", "tflite-int8")
MUSCLES = [
    "soleus_r", "med_gas_r", "lat_gas_r", "tib_ant_r", "semimem_r", "bifemlh_r", "vas_lat_r",
    "rect_fem_r", "vas_med_r",
]  # fmt: skip

Refused = Callable[..., AbstractContextManager[None]]


def activity(times: np.ndarray) -> np.ndarray:
    """Synthetic simulated activity `(frames, 9)`, 0-1, at any times: smooth bursts."""
    phase = 2 * np.pi * (np.asarray(times)[:, None] + np.linspace(0, 0.9, 9))
    return 0.02 + 0.7 * np.clip(np.sin(phase), 0, None) ** 2


def rough(frames: int) -> np.ndarray:
    """Noise, harder than what a refiner sees."""
    return np.random.default_rng(5).random((frames, 9))


def offline(refiner: Refiner, frames: np.ndarray) -> np.ndarray:
    """What the refiner makes of the whole recording, also of one too short to resample."""
    signals = refiner.signals
    window = round(signals.window * signals.rate)
    refined = windows.refine_recording(refiner.network, frames / signals.input_maximum, window)
    return refined * signals.output_maximum


def table(times: Sequence[float] | np.ndarray, values: np.ndarray) -> list[str]:
    """Lines as `nem2e stream` takes them."""
    rows = (",".join(map(repr, map(float, row))) for row in np.column_stack([times, values]))
    return [",".join(["time", *MUSCLES]), *rows]


def numbers(lines: Sequence[str]) -> np.ndarray:
    """Lines of envelopes, `(frames, 1 + muscles)`."""
    return np.array([[float(cell) for cell in line.split(",")] for line in lines])


def refined(lines: Sequence[str], told: list[str] | None = None) -> np.ndarray:
    """What `stream_lines` makes of lines, without the names."""
    tell = (told if told is not None else []).append
    return numbers(list(stream_lines(load("stream", "tflite"), lines, warn=tell))[1:])


@pytest.fixture(scope="module", params=RUNTIMES)
def refiner(request: pytest.FixtureRequest) -> Refiner:
    """The shipped causal refiner in every runtime that goes step by step."""
    return load("stream", request.param)


@pytest.fixture(scope="module")
def lite() -> Refiner:
    return load("stream", "tflite")


@pytest.mark.parametrize("frames", [*range(1, 31), 501])
def test_a_stream_equals_the_whole_recording(refiner: Refiner, frames: int) -> None:
    recording = rough(frames)
    stream = StreamingRefiner(refiner)
    pushed = [stream.push(frame) for frame in recording]
    rest = stream.finish()
    none = [value is None for value in pushed]
    assert none == [i < stream.delay for i in range(frames)]
    assert rest.shape == (min(frames, stream.delay), 9)
    found = np.array([value for value in pushed if value is not None] + list(rest))
    np.testing.assert_allclose(found, offline(refiner, recording), rtol=0, atol=EXACT)


def test_a_frame_is_refined_a_tenth_of_a_second_later_at_most(lite: Refiner) -> None:
    stream = StreamingRefiner(lite)
    assert stream.delay == 9
    assert stream.look_ahead == pytest.approx(0.09)


def test_what_is_to_come_does_not_change_what_was_given(lite: Refiner) -> None:
    first, second = rough(40), rough(40)
    second[30:] = 1.0 - second[30:]
    streams = [StreamingRefiner(lite) for _ in range(2)]
    given = [
        [stream.push(frame) for frame in frames]
        for stream, frames in zip(streams, (first, second), strict=True)
    ]
    np.testing.assert_array_equal(given[0][9:30], given[1][9:30])
    assert not np.array_equal(given[0][39], given[1][39])


def test_a_finished_stream_begins_anew(refiner: Refiner) -> None:
    stream = StreamingRefiner(refiner)
    assert stream.finish().shape == (0, 9)
    found = []
    for _ in range(2):
        given = [stream.push(frame) for frame in rough(23)]
        found.append([value for value in given if value is not None] + list(stream.finish()))
    np.testing.assert_array_equal(found[0], found[1])


def test_a_stream_that_was_reset_forgets(lite: Refiner) -> None:
    stream, other = StreamingRefiner(lite), StreamingRefiner(lite)
    for frame in rough(13):
        stream.push(frame)
    stream.reset()
    for frame in rough(20)[::-1]:
        expected, found = other.push(frame), stream.push(frame)
        assert (expected is None) == (found is None)
        if expected is not None:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (np.full(9, np.nan), ["'soleus' is nan in frame 15"]),
        (np.full(9, np.inf), ["'soleus' is inf in frame 15"]),
        (np.full(9, -0.1), ["'soleus' is -0.1 in frame 15", "0-1"]),
        (np.zeros(8), ["(8,)", "wanted (9,)"]),
        (np.zeros((1, 9)), ["(1, 9)", "wanted (9,)"]),
        (0.5, ["()", "wanted (9,)"]),
    ],
)
def test_a_frame_that_is_refused_is_not_taken(
    lite: Refiner, frame: np.ndarray, words: list[str], refused: Refused
) -> None:
    stream, recording = StreamingRefiner(lite), rough(30)
    found = [stream.push(given) for given in recording[:15]]
    with refused(*words):
        stream.push(frame)
    found += [stream.push(given) for given in recording[15:]]
    whole = [value for value in found if value is not None] + list(stream.finish())
    np.testing.assert_allclose(whole, offline(lite, recording), rtol=0, atol=EXACT)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_refiner_that_looks_at_whole_windows_cannot_stream(
    runtime: str, refused: Refused
) -> None:
    with refused("looks at a whole window", "stream"):
        StreamingRefiner(load("walking", runtime))


@pytest.mark.parametrize("runtime", ["savedmodel", "onnx"])
def test_runtimes_without_steps_cannot_stream(runtime: str, refused: Refused) -> None:
    with refused("whole recordings", "tflite-int8"):
        StreamingRefiner(load("stream", runtime))


def test_arrays_stream_without_pandas_alike(lite: Refiner) -> None:
    one, other = StreamingRefiner(edge.load("stream")), nem2e_tf.StreamingRefiner(lite)
    for frame in rough(30):
        np.testing.assert_array_equal(one.push(frame), other.push(frame))


def test_memory_does_not_grow_with_the_stream(lite: Refiner) -> None:
    stream, recording = StreamingRefiner(lite), rough(1000)

    def run() -> int:
        for frame in recording:
            stream.push(frame)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        warm = run()
        held = [run() for _ in range(4)]
    finally:
        tracemalloc.stop()
    # One array of nine numbers a frame would be 4000 times 184 bytes.
    assert max(held) - warm < 20_000


# Lines


def test_lines_at_the_rate_of_the_refiner_become_its_frames(lite: Refiner) -> None:
    times = 3.0 + np.arange(250) / 100
    found = refined(table(times, activity(times)))
    np.testing.assert_allclose(found[:, 0], times, atol=1e-4)
    np.testing.assert_allclose(found[:, 1:], offline(lite, activity(times)), rtol=0, atol=2e-5)


@pytest.mark.parametrize("rate", [60.0, 148.148])
def test_lines_at_other_rates_are_interpolated(lite: Refiner, rate: float) -> None:
    times = np.arange(round(3 * rate)) / rate
    told: list[str] = []
    found = refined(table(times, activity(times)), told)
    grid = np.arange(len(found)) / 100
    assert len(found) == int(times[-1] * 100 + 1e-6) + 1
    np.testing.assert_allclose(found[:, 0], grid, atol=1e-4)
    # A straight line between samples 1/60 s apart misses a burst by less than 0.01.
    np.testing.assert_allclose(found[:, 1:], offline(lite, activity(grid)), rtol=0, atol=0.02)
    assert told == []


def test_uneven_times_are_interpolated(lite: Refiner) -> None:
    random = np.random.default_rng(2)
    times = np.cumsum(random.uniform(0.002, 0.02, 300))
    found = refined(table(times, activity(times)))
    grid = times[0] + np.arange(len(found)) / 100
    straight = np.column_stack([np.interp(grid, times, c) for c in activity(times).T])
    np.testing.assert_allclose(found[:, 1:], offline(lite, straight), rtol=0, atol=2e-5)


def test_samples_again_or_late_are_left_out_and_told() -> None:
    times = np.arange(80) / 100
    lines = table(times, activity(times))
    spoilt = [*lines[:41], lines[40], lines[30], *lines[41:]]
    told: list[str] = []
    np.testing.assert_array_equal(refined(spoilt, told), refined(lines))
    assert told == [
        "line 42: 0.39 s came again; left out",
        "line 43: 0.29 s came late, after 0.39 s; left out",
    ]


def test_a_short_gap_is_bridged_by_a_straight_line(lite: Refiner) -> None:
    times = np.arange(120) / 100
    kept = (times < 0.5) | (times > 0.5 + MAX_GAP - 0.02)
    told: list[str] = []
    found = refined(table(times[kept], activity(times[kept])), told)
    straight = np.column_stack([np.interp(times, times[kept], c) for c in activity(times[kept]).T])
    np.testing.assert_allclose(found[:, 1:], offline(lite, straight), rtol=0, atol=2e-5)
    assert told == []


def test_after_a_long_gap_the_stream_begins_anew(lite: Refiner) -> None:
    first, second = np.arange(70) / 100, 5.003 + np.arange(30) / 100
    times = np.concatenate([first, second])
    told: list[str] = []
    found = refined(table(times, activity(times)), told)
    np.testing.assert_allclose(found[:, 0], times, atol=1e-4)
    whole = [offline(lite, activity(part)) for part in (first, second)]
    np.testing.assert_allclose(found[:, 1:], np.concatenate(whole), rtol=0, atol=2e-5)
    assert told == ["line 72: nothing came between 0.69 and 5.003 s; the stream begins anew"]


def test_a_clock_that_is_set_back_begins_the_stream_anew(lite: Refiner) -> None:
    first, second = 100 + np.arange(40) / 100, np.arange(40) / 100
    times = np.concatenate([first, second])
    told: list[str] = []
    found = refined(table(times, activity(times)), told)
    assert first[-1] - second[0] > MAX_LATENESS
    np.testing.assert_allclose(found[:, 0], times, atol=1e-4)
    whole = [offline(lite, activity(part)) for part in (first, second)]
    np.testing.assert_allclose(found[:, 1:], np.concatenate(whole), rtol=0, atol=2e-5)
    assert told == ["line 42: the clock went back from 100.39 to 0 s; the stream begins anew"]


def test_lines_that_are_no_samples_are_left_out_and_told() -> None:
    times = np.arange(60) / 100
    lines = table(times, activity(times))
    spoilt = [
        *lines[:20],
        "0.1855" + ",0.5" * 8,
        "rubbish",
        "",
        "0.1856" + ",half" * 9,
        "0.1857" + ",nan" * 9,
        "0.1858" + ",55" * 9,
        "nan" + ",0.5" * 9,
        "inf" + ",0.5" * 9,
        *lines[20:],
    ]
    told: list[str] = []
    np.testing.assert_array_equal(refined(spoilt, told), refined(lines))
    assert [line.split(":")[0] for line in told] == [
        f"line {n}" for n in (21, 22, 24, 25, 26, 27, 28)
    ]
    assert all(line.endswith("left out") for line in told)


def test_columns_that_are_not_taken_may_hold_anything() -> None:
    times = np.arange(40) / 100
    lines = table(times, activity(times))
    more = [lines[0] + ",knee_angle_r_reserve", *(line + ",-37.5" for line in lines[1:])]
    told: list[str] = []
    np.testing.assert_array_equal(refined(more, told), refined(lines))
    assert told == []


def test_columns_in_any_order_are_found_by_name() -> None:
    times = np.arange(40) / 100
    lines = table(times, activity(times))
    turned = [",".join([line.split(",")[0], *line.split(",")[:0:-1]]) for line in lines]
    np.testing.assert_array_equal(refined(turned), refined(lines))


def test_names_alone_give_names_alone(lite: Refiner) -> None:
    names = table([], np.empty((0, 9)))
    assert list(stream_lines(lite, names)) == names


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("", ["first line must name the columns"]),
        ("0.0,0.5,0.5", ["first line must name the columns"]),
        ("time,soleus_r,soleus_r", ["each once"]),
        ("time,soleus_r,med_gas_r", ["standard input", "no muscle 'lat_gas_r'"]),
        ("time", ["standard input"]),
    ],
)
def test_a_first_line_without_the_muscles_is_refused(
    lite: Refiner, first: str, words: list[str], refused: Refused
) -> None:
    with refused(*words):
        list(stream_lines(lite, [first]))


# The command


def piped(lines: Sequence[str] | bytes, *options: object) -> command.Done:
    """`nem2e stream` with all its input there when it begins."""
    given = lines if isinstance(lines, bytes) else "".join(f"{x}\n" for x in lines).encode()
    return command.run("stream", *options, given=given)


@contextmanager
def running(*options: object) -> Iterator["subprocess.Popen[str]"]:
    """`nem2e stream` with open pipes."""
    pipe = subprocess.PIPE
    words = [str(NEM2E), "stream", *map(str, options)]

    def heeding_interrupts() -> None:
        # Whoever runs the tests in the background of a shell has SIGINT ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=heeding_interrupts
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def refused_in_one_line(done: command.Done, *words: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_the_command_refines_what_is_piped_into_it(lite: Refiner) -> None:
    times = np.arange(301) / 100
    done = piped(table(times, activity(times)), "--runtime", "tflite")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    names, *lines = done.stdout.splitlines()
    assert names.split(",") == ["time", *MUSCLES]
    found = numbers(lines)
    np.testing.assert_allclose(found[:, 0], times, atol=1e-4)
    np.testing.assert_allclose(found[:, 1:], offline(lite, activity(times)), rtol=0, atol=2e-5)


def test_the_command_gives_what_refine_gives(tmp_path: Path) -> None:
    times = np.arange(120) / 100
    frame = pd.DataFrame(activity(times), index=pd.Index(times, name="time"), columns=MUSCLES)
    write_storage(frame, tmp_path / "sim.sto", "synthetic")
    whole = command.start(
        "refine", "sim.sto", "--refiner", "stream", "--runtime", "tflite-int8", "-o", "emg.sto",
        cwd=tmp_path,
    )  # fmt: skip
    assert whole.returncode == 0, whole.stderr
    rows = (tmp_path / "emg.sto").read_text().split("endheader\n")[1].splitlines()
    expected = numbers([row.replace("\t", ",") for row in rows[1:]])
    done = piped(table(times, activity(times)))
    np.testing.assert_allclose(numbers(done.stdout.splitlines()[1:]), expected, atol=1e-4)


def test_rubbish_between_samples_is_told_and_survived() -> None:
    times = np.arange(40) / 100
    lines = "".join(f"{line}\n" for line in table(times, activity(times))).encode().splitlines(True)
    runtime = "--runtime", "tflite-int8"
    clean = piped(b"".join(lines), *runtime)
    spoilt = piped(b"".join([*lines[:9], b"\xff\xfe\x00\x80 no text\n", *lines[9:]]), *runtime)
    assert spoilt.returncode == 0
    assert spoilt.stdout == clean.stdout
    (told,) = spoilt.stderr.splitlines()
    assert told.startswith("warning: line 10:") and told.endswith("left out")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (b"\xff\xfe\x00\n\x01", ["first line must name the columns"]),
        (b"time,soleus_r,med_gas_r\n0,0.5,0.5\n", ["no muscle 'lat_gas_r'"]),
    ],
)
def test_input_without_columns_ends_in_one_line(lines: bytes, words: list[str]) -> None:
    refused_in_one_line(piped(lines), *words)


def test_a_refiner_that_cannot_stream_ends_in_one_line() -> None:
    refused_in_one_line(piped(table([], np.empty((0, 9))), "--refiner", "walking"), "cannot stream")
    done = piped(table([], np.empty((0, 9))), "--runtime", "onnx")
    refused_in_one_line(done, "tflite-int8")


def test_envelopes_come_while_the_sensor_still_sends() -> None:
    times = np.arange(200) / 100
    names, *lines = table(times, activity(times))
    with running() as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(names + "\n")
        process.stdin.flush()
        assert process.stdout.readline().strip() == names
        for i, line in enumerate(lines):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            if i >= 9:
                # Frame i - 9 must be there before frame i + 1 is sent.
                assert float(process.stdout.readline().split(",")[0]) == pytest.approx(
                    times[i - 9], abs=1e-4
                )
        process.stdin.close()
        assert len(process.stdout.readlines()) == 9
        assert process.wait(30) == 0


def test_the_command_keeps_up_with_a_sensor_at_100_hz() -> None:
    times = np.arange(500) / 100  # no more than what the pipes hold
    with running() as process:
        assert process.stdin is not None and process.stdout is not None
        names, *lines = table(times, np.round(activity(times), 4))
        process.stdin.write(f"{names}\n")
        process.stdin.flush()
        process.stdout.readline()
        begin = time.perf_counter()
        process.stdin.write("\n".join(lines) + "\n")
        process.stdin.flush()
        assert len(list(islice(process.stdout, 491))) == 491
        assert time.perf_counter() - begin < 5.0


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    times = np.arange(3000) / 100
    with running("--runtime", "tflite-int8") as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr
        names, *lines = table(times, activity(times))
        process.stdin.write(names + "\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        with pytest.raises(BrokenPipeError):
            for _ in range(100):
                process.stdin.write("\n".join(lines) + "\n")
                process.stdin.flush()
        assert process.wait(30) in (1, 128 + signal.SIGPIPE)
        assert process.stderr.read() == ""
        process.stdin = None


def test_an_interrupt_ends_the_command_quietly() -> None:
    times = np.arange(30) / 100
    with running() as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr
        process.stdin.write("\n".join(table(times, activity(times))) + "\n")
        process.stdin.flush()
        given = [process.stdout.readline() for _ in range(22)]
        assert all(given)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdout.read() == ""
        assert "Traceback" not in process.stderr.read()


def test_the_fastest_runtime_that_is_installed_and_exported_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shipped_refiners()["stream"]
    assert choose_stream_runtime(folder) == "tflite-int8"
    assert choose_stream_runtime(tmp_path) == "keras"
    manifest = json.loads((folder / MANIFEST).read_bytes())
    del manifest["forms"]["tflite/int8"]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert choose_stream_runtime(tmp_path) == "tflite"
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    assert choose_stream_runtime(folder) == "keras"


def test_the_command_says_which_runtime_it_takes() -> None:
    names = ",".join(["time", *load("stream", "tflite-int8").card.inputs])
    rows = "".join(f"{i / 100},{','.join(['0.1'] * 9)}\n" for i in range(12))
    done = subprocess.run(
        [str(NEM2E), "stream"], input=f"{names}\n{rows}", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "note: runtime tflite-int8" in done.stderr
    assert len(done.stdout.splitlines()) == 13
