"""What every form of a refiner costs, as `python -m export.benchmark` measures it."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.benchmark import app, measure
from export.latency import step_call, time_calls, window_call
from export.memory import FRAMES, measure_peak
from export.networks import open_form
from nem2e_tf.edge import Manifest, StepNetwork
from nem2e_tf.refiner import load
from tests import command
from tests.repository import ROOT

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install ai-edge-litert")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

STREAM = ROOT / "saved_models" / "stream"


def test_calls_are_timed_in_turn() -> None:
    order: list[str] = []
    found = time_calls({name: lambda name=name: order.append(name) for name in "ab"}, rounds=2)
    runs = "".join(order)
    assert runs.count("a") == runs.count("b")
    assert runs.rindex("a") > runs.index("b" * 2)
    for latency in found.values():
        assert 0 < latency.median_ms <= latency.p99_ms


def test_windows_and_steps_of_a_form_take_time() -> None:
    network = open_form(Manifest.read(STREAM), "tflite/int8", threads=1)
    assert isinstance(network, StepNetwork)
    assert window_call(network)().shape == (1, FRAMES, 9)
    found = time_calls({"window": window_call(network), "step": step_call(network)}, rounds=2)
    assert all(0 < latency.median_ms <= latency.p99_ms for latency in found.values())


def test_threads_of_onnxruntime_change_nothing_but_time() -> None:
    manifest = Manifest.read(STREAM)
    window = np.full((1, FRAMES, 9), 0.3, np.float32)
    one, two, default = (open_form(manifest, "onnx", n)(window) for n in (1, 2, None))
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-6)
    np.testing.assert_allclose(default, one, rtol=0, atol=1e-6)


def test_memory_of_a_form_is_its_own_and_not_that_of_who_asks() -> None:
    held = np.ones(50_000_000)
    base, form = measure_peak(), measure_peak(str(STREAM), "tflite/float32")
    assert 0 < base < form < held.nbytes


def test_a_refiner_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    done = command.run(tmp_path, "--json", app=app)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "card.json" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_every_form_and_every_stock_conversion_is_measured_or_says_why_not() -> None:
    forms, stock = measure(load("stream"), rounds=2)
    manifest = Manifest.read(STREAM)
    assert [cost.form for cost in forms] == ["keras", *sorted(manifest.forms)]
    for cost in forms:
        assert cost.error is None
        assert cost.files > 0
        assert cost.bytes > 0
        assert cost.memory_bytes is not None
        assert cost.memory_bytes > 0
        assert cost.single_thread.median_ms > 0
        assert cost.faster is not None
        assert cost.faster > 0
        if cost.form != "keras":
            assert cost.conversion_seconds is not None
            assert cost.conversion_seconds > 0
        if cost.form.startswith("tflite/"):
            assert cost.frames.keys() == cost.step.keys() == {"1", "2"}
    assert {cost.form for cost in stock} >= {"keras-model", "while", "while-int8", "unrolled"}
    for cost in stock:
        assert (cost.error is None) == bool(cost.frames)
        if cost.error is None:
            assert cost.worst is not None
        else:
            assert len(cost.error.splitlines()) == 1
    unrolled = next(cost for cost in stock if cost.form == "unrolled")
    assert unrolled.worst is not None
    assert unrolled.worst < 1e-5


@pytest.mark.slow
def test_the_command_prints_one_json_object() -> None:
    done = command.start_module("export.benchmark", "stream", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["frames"] == FRAMES
    assert result["cores"] >= 1
    assert {"forms", "stock_conversions"} <= result.keys()
