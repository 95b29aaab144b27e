"""Numbers in the documents: each is what the cards, the kept results and the files give."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.datasets.registry import read_registry
from nem2e_tf.edge import Manifest, shipped_refiners
from nem2e_tf.refiner import CARD, Card
from tests.repository import ROOT
from training.evaluation.documents import APPENDIX, format_number
from training.evaluation.personal_page import page as personal_page
from training.evaluation.personal_page import read_tables
from training.evaluation.results import figure_names, read_results
from training.evaluation.results_appendix import appendix
from training.evaluation.results_page import LATER, OTHER, UNSEEN, page
from training.evaluation.results_tables import tidy_tables
from training.evaluation.scoring import scores, summary
from training.evaluation.shipped_figure import later_walking
from training.experiment import read_experiment
from training.places import CONFIGS, EVALUATION

DOCS = ROOT / "docs"
TESTS = {"later time": LATER, "20 virtual": UNSEEN, "another person": OTHER}
"""By the first words of a row of the README's table, a card's name of that test."""


@pytest.fixture(scope="module")
def cards() -> dict[str, Card]:
    """By name, those of the shipped refiners."""
    return {name: Card.read(folder / CARD) for name, folder in shipped_refiners().items()}


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """What the evaluation found."""
    return read_results(DOCS / "results.json")


def words_of(path: Path) -> str:
    """A page on one line."""
    return " ".join(path.read_text(encoding="utf-8").split())


def mean_of(cards: Mapping[str, Card], refiner: str, test: str, task: str) -> dict[str, Any]:
    """What a card says of all muscles."""
    mean: dict[str, Any] = cards[refiner].scores[test]["tasks"][task]["mean"]
    return mean


def test_every_row_of_the_readmes_table_is_what_a_card_says(cards: dict[str, Card]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| refiner | tested on") :].split("\n\n")[0].splitlines()[2:]
    assert 0 < len(table) <= 6
    for row in table:
        found = re.fullmatch(r"\| `(\w+)` \| (.+) \| (\S+) → (\S+) \| (\d) of (\d) \|", row)
        assert found is not None, row
        refiner, what, raw, refined, better, muscles = found.groups()
        test = next(name for start, name in TESTS.items() if what.startswith(start))
        mean = mean_of(cards, refiner, test, what.split(", ")[-1])
        assert raw == format_number(mean["raw_r"], 2) and refined == f"{mean['r']:.2f}"
        assert (int(better), int(muscles)) == (mean["better_r"], mean["muscles"])


def test_figures_in_the_readmes_words_are_those_of_the_cards(
    cards: dict[str, Card], results: dict[str, Any]
) -> None:
    text = words_of(ROOT / "README.md")
    walking, running = (mean_of(cards, task, LATER, task) for task in ("walking", "running"))
    assert (
        f"the RMSE falls from {walking['raw_rmse']:.3f} to {walking['rmse']:.3f} (`walking`) and"
        f" from {running['raw_rmse']:.3f} to {running['rmse']:.3f} (`running`)"
    ) in text
    walking, running = (mean_of(cards, task, UNSEEN, task) for task in ("walking", "running"))
    assert (
        f"it falls from {walking['raw_rmse']:.2f} to {walking['rmse']:.2f} and from"
        f" {running['raw_rmse']:.2f} to {running['rmse']:.2f}"
    ) in text
    worst = set()
    for task in ("walking", "running"):
        muscles = cards[task].scores[UNSEEN]["tasks"][task]["muscles"]
        worst |= set(sorted(muscles, key=lambda muscle: muscles[muscle]["r"])[:2])
    assert worst == {"rectus_femoris", "tibialis_anterior"}
    assert "rectus femoris and tibialis anterior are the worst" in text
    assert f"{virtual_people()} virtual people (synthetic)" in text
    # "A ridge regression that is fitted on the same data is nearly as good."
    for protocol in ("block", "virtual"):
        for section in results["protocols"][protocol]["sections"]:
            ridge, network = (section["methods"][m]["nine"]["r"] for m in ("ridge", "stdr_net"))
            assert ridge > network - 0.05


def virtual_people() -> int:
    """How many virtual people a shipped refiner is fitted on."""
    cohort = read_experiment(CONFIGS / "walking.yaml").cohort
    assert cohort is not None
    return cohort.subjects - cohort.held_out


def test_on_the_overground_stride_all_muscles_but_tibialis_anterior_gain(
    cards: dict[str, Card],
) -> None:
    muscles = cards["walking"].scores[OTHER]["tasks"]["walking"]["muscles"]
    worse = [name for name, row in muscles.items() if row["r"] <= row["raw_r"]]
    assert worse == ["tibialis_anterior"] and len(muscles) == 8
    tutorial = words_of(DOCS / "tutorial-laboratory.md")
    assert "r rises in seven of eight muscles; in tibialis anterior it falls" in tutorial
    table = re.findall(
        r"^\| (\w[\w ]+) \|.*\| (.+) \|$", (DOCS / "raw-to-emg.md").read_text(), re.M
    )
    assert [name for name, better in table if better == "no"] == ["tibialis anterior"]


def test_the_results_are_written_from_the_numbers_that_are_kept(
    results: dict[str, Any], cards: dict[str, Card]
) -> None:
    experiment, folder = read_experiment(EVALUATION), DOCS / "results"
    written = page(results, experiment, cards, "results-summary.png", "results")
    assert (DOCS / "results.md").read_text(encoding="utf-8") == written
    every = appendix(results, experiment, cards, "results")
    assert (folder / APPENDIX).read_text(encoding="utf-8") == every
    tables = tidy_tables(results, cards)
    assert {path.name for path in folder.iterdir()} == {APPENDIX, *(f"{n}.csv" for n in tables)}
    for name, table in tables.items():
        kept = pd.read_csv(folder / f"{name}.csv", keep_default_na=False, dtype=str)
        assert len(kept) == len(table) and list(kept.columns) == list(table.columns)
        text = table.to_csv(index=False, lineterminator="\n")
        assert (folder / f"{name}.csv").read_text(encoding="utf-8") == text
    pictures = {path.name for path in DOCS.glob("results-*.png")}
    assert pictures == {"results-summary.png", *figure_names(results)}


def test_the_page_on_personalisation_is_written_from_the_numbers_that_are_kept() -> None:
    tables = read_tables(DOCS / "personalisation.json")
    text = (DOCS / "personalisation.md").read_text(encoding="utf-8")
    assert text == personal_page(tables, "personalisation")
    scores = pd.read_csv(DOCS / "personalisation" / "scores.csv")
    assert len(scores) == sum(len(table) for table in tables.values())


def test_the_methods_words_on_its_network_and_its_ablations_are_so(
    results: dict[str, Any],
) -> None:
    from nem2e_tf.network.stdr_net import stdr_net

    text = words_of(DOCS / "method.md")
    weights = sum(int(np.prod(w.shape)) for w in stdr_net(9, 9).trainable_weights)
    assert f"{weights:,} weights" in text
    assert f"**Virtual people**, {virtual_people()} of them" in text
    rows = results["ablations"]["rows"]
    base = rows["as it is"]

    def change(name: str) -> list[float]:
        return [of["rmse"] / base[test]["rmse"] - 1.0 for test, of in rows[name].items()]

    assert "change the RMSE by no more than 4 %" in text
    for name in (
        "mean squared error", "correlation in the loss", "derivative in the loss",
        "the default five muscles go in",
    ):  # fmt: skip
        assert max(map(abs, change(name))) < 0.04
    assert "lower it on later time in running and raise it in the other tests" in text
    assert [of > 0.0 for of in change("joint angles beside activity")] == [True, False, True]
    assert all(max(change(name)) > 0.0 for name in rows if name != "as it is")


def test_sizes_of_exports_are_those_of_the_files() -> None:
    folder = shipped_refiners()["walking"]
    text = (DOCS / "exports.md").read_text(encoding="utf-8")
    sizes = dict(re.findall(r"^\| `(\S+?)/?` \| ([\d,]+) \|", text, re.MULTILINE))
    assert len(sizes) == 8
    for name, told in sizes.items():
        path = folder / name
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        assert f"{sum(file.stat().st_size for file in files):,}" == told, name


def test_sums_and_sizes_of_the_embedded_tutorial_are_so() -> None:
    text = words_of(DOCS / "tutorial-embedded.md")
    rows = re.findall(r"\| `\w+\.tflite` \| ([\d,]+) \| ([\d,]+) \|", text)
    files, arenas = (sum(int(row[i].replace(",", "")) for row in rows) for i in (0, 1))
    layout = Manifest.read(shipped_refiners()["stream"]).layout
    seen = layout.before + 1 + layout.after
    states = 4 * seen * (layout.encoder_units + layout.attention_units)
    assert f"{files:,} bytes of flash and {arenas:,} bytes of memory" in text
    assert f"{states:,} bytes more for the seven encoded steps" in text and seen == 7
    assert "`stream` attends to 7 steps in place of 11" in words_of(DOCS / "serving.md")


def test_the_fuzzed_inputs_add_up() -> None:
    text = (DOCS / "trust.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `[\w-]+` \| .+ \| ([\d,]+) \| [\d,]+ \|$", text, re.MULTILINE)
    total = sum(int(row.replace(",", "")) for row in rows)
    assert f"{total:,} inputs in all" in text


def test_sizes_and_people_of_public_sets_are_those_of_the_registry() -> None:
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    for name, of in read_registry().items():
        row = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)[0]
        assert f"| {of.people} |" in row
        if of.files:
            assert f"| {sum(file.size for file in of.files) / 1e6:.1f} MB |" in row


@pytest.mark.slow
def test_the_picture_of_the_readme_shows_what_the_card_says(
    cards: dict[str, Card], data: Path
) -> None:
    section = later_walking(data)
    found = summary(scores(section), section.muscles)
    mean = mean_of(cards, "walking", LATER, "walking")
    for method, prefix in (("raw", "raw_"), ("stdr_net", "")):
        row = found.loc[[method], ["r", "rmse"]].to_numpy()[0]
        assert row == pytest.approx([mean[f"{prefix}r"], mean[f"{prefix}rmse"]], abs=1e-3)


def test_no_page_is_longer_than_a_reader_bears() -> None:
    for path in DOCS.rglob("*.md"):
        if path.name not in ("errors.md", APPENDIX):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_results_are_plain_numbers() -> None:
    assert "NaN" not in (DOCS / "results.json").read_text(encoding="utf-8")
    json.loads((DOCS / "personalisation.json").read_text(encoding="utf-8"))
