"""The page, driven in headless Chromium beside Keras."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from export.page import FORMS, WEB, app, assemble
from nem2e_tf.edge import MANIFEST
from nem2e_tf.network.stdr_net import stdr_net
from nem2e_tf.refiner import CARD, Card, Refiner, load, save
from tests import command
from tests.repository import ROOT

ROUGH = 2
"""Windows of noise beside those of the recording, harder than what a refiner sees."""

Refused = Callable[..., AbstractContextManager[None]]


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=300, **options
    )


@pytest.fixture(scope="module", autouse=True)
def tools(chromium: str) -> None:
    """Node and Chromium, and the packages of the page and its driver."""


def exported(refiner: Path) -> Path:
    """A refiner's folder, with what the page needs of it."""
    manifest = refiner / MANIFEST
    if not manifest.exists() or not set(FORMS) <= set(json.loads(manifest.read_bytes())["forms"]):
        recipes = [part for form in FORMS for part in ("--recipe", Path(form).name)]
        done = command.start_module("export.tflite", refiner, *recipes)
        assert done.returncode == 0, done.stderr
    return refiner


@pytest.fixture(scope="module")
def walking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refiner") / "walking"
    return exported(Path(shutil.copytree(ROOT / "saved_models" / "walking", folder)))


@pytest.fixture(scope="module")
def page(walking: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the shipped refiner, assembled by the command."""
    folder = tmp_path_factory.mktemp("page") / "page"
    done = command.run(walking, "-o", folder, "--json", app=app)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["folder"] == str(folder)
    assert told["size"] == sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    return folder


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A folder as `python -m http.server` serves it; its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def driven(page: Path, windows: np.ndarray, pictures: Path) -> dict[str, Any]:
    """What `tests/web/drive.mjs` has seen on a page."""
    with served(page) as url:
        done = run(
            "node", ROOT / "tests" / "web" / "drive.mjs", url, pictures,
            input=json.dumps({"windows": windows.tolist()}),
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen | {"url": url}


def simulated(page: Path, card: Card) -> pd.DataFrame:
    """The activity that a page plays."""
    recording = json.loads((page / "recording.json").read_bytes())
    frame = pd.DataFrame(recording["simulated"], columns=card.inputs)
    return frame.set_index(pd.Index(np.arange(len(frame)) / card.rate, name="time"))


@pytest.fixture(scope="module")
def refiner(walking: Path) -> Refiner:
    return load(walking)


@pytest.fixture(scope="module")
def windows(page: Path, refiner: Refiner) -> np.ndarray:
    """Of the recording that is played, and some of noise."""
    shares = simulated(page, refiner.card).to_numpy() / refiner.signals.input_maximum
    recorded = [shares[start : start + 200] for start in range(0, len(shares) - 200, 200)]
    rough = np.random.default_rng(7).random((ROUGH, 200, shares.shape[1]))
    return np.concatenate([recorded, rough]).astype(np.float32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def seen(page: Path, windows: np.ndarray, pictures: Path) -> dict[str, Any]:
    return driven(page, windows, pictures)


def test_float32_says_in_the_browser_what_keras_says(
    seen: dict[str, Any], windows: np.ndarray, refiner: Refiner
) -> None:
    expected = refiner.model.predict_on_batch(windows)
    np.testing.assert_allclose(seen["forms"]["float32"]["once"], expected, rtol=0, atol=1e-5)


def test_int8_is_near_keras_in_the_browser(
    seen: dict[str, Any], windows: np.ndarray, refiner: Refiner
) -> None:
    recorded = slice(0, -ROUGH)
    expected = refiner.model.predict_on_batch(windows[recorded])
    difference = np.array(seen["forms"]["int8"]["once"][recorded]) - expected
    assert 1e-5 < np.sqrt(np.mean(difference**2)) <= 0.01
    assert np.abs(difference).max() <= 0.03


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_a_window_gives_the_same_answer_whatever_ran_before_it(
    seen: dict[str, Any], form: str
) -> None:
    assert seen["forms"][form]["once"] == seen["forms"][form]["again"]


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_memory_does_not_grow_over_thousands_of_calls(seen: dict[str, Any], form: str) -> None:
    assert seen["forms"][form]["grown"] == 0


def test_the_recording_is_refined_as_python_refines_it(
    seen: dict[str, Any], page: Path, refiner: Refiner
) -> None:
    expected = refiner.refine(simulated(page, refiner.card), "r") / refiner.signals.output_maximum
    played = np.array(seen["forms"]["float32"]["recording"]).T
    np.testing.assert_allclose(played, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("screen", ["desktop", "phone"])
def test_all_curves_are_drawn_while_the_recording_plays(
    seen: dict[str, Any], pictures: Path, screen: str
) -> None:
    found = seen[screen]
    assert float(found["time"].split()[0]) >= 3.0
    assert found["latency"].endswith("ms")
    raw, refined = map(float, found["errors"].split(" → "))
    assert 0 < refined < raw < 1
    assert len(found["curves"]) == 5
    for chart in found["curves"]:
        assert min(chart.values()) > 50
    assert (pictures / f"{screen}.png").stat().st_size > 20_000


def test_a_phone_scrolls_only_down(seen: dict[str, Any]) -> None:
    assert seen["phone"]["scroll"] == 0


def test_the_page_says_what_is_synthetic(seen: dict[str, Any], page: Path) -> None:
    assert json.loads((page / "recording.json").read_bytes())["synthetic"] is True
    assert seen["origin"].startswith("Synthetic: a virtual person, walking.")


def test_nothing_fails_and_nothing_comes_from_elsewhere(seen: dict[str, Any]) -> None:
    assert seen["errors"] == []
    assert len(seen["requests"]) > 10
    assert all(request.startswith(seen["url"]) for request in seen["requests"])


@pytest.mark.slow
def test_a_causal_network_goes_step_by_step(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model = stdr_net(9, 9, ahead=1)
    model.set_weights([2 * weight for weight in model.get_weights()])
    card = Card.read(ROOT / "saved_models" / "walking" / CARD)
    save(Refiner(card, model), tmp_path / "causal")
    refiner = load(exported(tmp_path / "causal"))
    page = Path(assemble(refiner, tmp_path / "page").folder)
    windows = np.random.default_rng(7).random((2, 100, 9), dtype=np.float32)
    seen = driven(page, windows, tmp_path)
    found = seen["forms"]["float32"]
    expected = refiner.model.predict_on_batch(windows)
    np.testing.assert_allclose(found["once"], expected, rtol=0, atol=1e-5)
    whole = refiner.refine(simulated(page, card), "r") / refiner.signals.output_maximum
    np.testing.assert_allclose(np.array(found["recording"]).T, whole, rtol=0, atol=1e-5)
    assert seen["errors"] == []
    assert all(min(chart.values()) > 50 for chart in seen["desktop"]["curves"])


def test_a_refiner_that_was_not_exported_is_refused(tmp_path: Path, refused: Refused) -> None:
    folder = tmp_path / "walking"
    ignored = shutil.ignore_patterns(MANIFEST, "tflite")
    shutil.copytree(ROOT / "saved_models" / "walking", folder, ignore=ignored)
    with refused(folder, MANIFEST, "export first"):
        assemble(load(folder), tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_folder_that_is_there_is_not_written_over(
    walking: Path, refiner: Refiner, refused: Refused
) -> None:
    with refused(walking, "already exists"):
        assemble(refiner, walking)


def test_without_npm_nothing_is_left(
    refiner: Refiner, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused("npm is not there", "Node.js"):
        assemble(refiner, tmp_path / "page")
    assert list(tmp_path.iterdir()) == []


def test_the_lock_names_no_host() -> None:
    assert "://" not in (WEB / "package-lock.json").read_text()
