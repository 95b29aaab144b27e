"""Score refiners on what they never saw: `python -m training.evaluate`.

The unseen part is the last block of each trial. Simple baselines, fitted on the same earlier
blocks as the refiner, are scored beside it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from nem2e_tf import metrics, terminal
from nem2e_tf.baselines import Ridge, gain
from nem2e_tf.files import replacing
from nem2e_tf.refiner import Refiner, load
from nem2e_tf.shards import Pair
from nem2e_tf.signals import RATE
from training.experiment import CONFIGS, REPOSITORY, Experiment, read_experiment

CONTEXT = 0.15
"""Seconds before and after a frame that the ridge regression sees."""

METHODS = {
    "raw": "raw",
    "gain": "gain",
    "ridge": "ridge",
    "stdr_net": "STDR-Net",
}

app = terminal.application("Score refiners on blocks of recordings that they never saw.")


@dataclass(frozen=True)
class Scored:
    """Errors of every method on one experiment's test block.

    Args:
        experiment: Experiment.
        seconds: what was scored, summed over trials.
        trials: what they are called.
        tables: by method, a table as `nem2e_tf.metrics.table` gives it.
    """

    experiment: Experiment
    seconds: float
    trials: list[str]
    tables: dict[str, pd.DataFrame]

    def better(self, method: str) -> int:
        """Muscles whose RMSE is lower than that of the raw simulation."""
        return int((self.tables[method]["rmse"] < self.tables["raw"]["rmse"]).sum())

    def as_json(self) -> dict[str, Any]:
        """Plain tables, rounded to what is meant."""
        block = self.experiment.blocks.test
        return {
            "test": f"shares {block[0]:g}-{block[1]:g} of {', '.join(self.trials)}"
            f" ({self.seconds:.1f} s), unseen in fitting",
            "nrmse_denominator": "range of the measured envelope",
            "methods": {
                method: {
                    "muscles": terminal.finite(table.round(4).to_dict("index")),
                    "mean": terminal.finite(table.mean().round(4).to_dict()),
                    "muscles_better_than_raw": self.better(method),
                }
                for method, table in self.tables.items()
            },
        }

    def rows(self) -> list[list[str]]:
        """A row a muscle and one for the mean: RMSE and r of each method in turn."""
        muscles = list(self.tables["raw"].index)
        rows = []
        for muscle in [*muscles, "mean"]:
            row = [muscle.replace("_", " ")]
            for table in self.tables.values():
                line = table.mean() if muscle == "mean" else table.loc[muscle]
                row += [f"{line['rmse']:.3f}", f"{line['r']:.2f}"]
            rows.append(row)
        count = [f"{self.better(m)} of {len(muscles)}" for m in self.tables if m != "raw"]
        rows.append(["better than raw", "", "", *(c for n in count for c in (n, ""))])
        return rows

    def header(self) -> list[str]:
        """Full titles of the columns of `rows`."""
        return ["muscle", *(f"{METHODS[m]} {what}" for m in self.tables for what in ("RMSE", "r"))]

    def as_rich(self) -> Table:
        """The table, for a terminal."""
        table = Table(
            title=self.title(),
            caption="for each method RMSE, then r",
            box=SIMPLE_HEAD,
            padding=(0, 0, 0, 1),
            pad_edge=False,
        )
        table.add_column("muscle", no_wrap=True)
        for method in self.tables:
            table.add_column(METHODS[method], justify="right", no_wrap=True)
        for muscle, *cells in self.rows():
            pairs = zip(cells[::2], cells[1::2], strict=True)
            table.add_row(muscle, *(f"{error} {score:>5}".strip() for error, score in pairs))
        return table

    def as_markdown(self) -> str:
        """The table, for a page."""
        lines = [f"## {self.title()}", "", "| " + " | ".join(self.header()) + " |"]
        lines.append("| --- |" + " ---: |" * (len(self.header()) - 1))
        lines += ["| " + " | ".join(row) + " |" for row in self.rows()]
        return "\n".join(lines)

    def title(self) -> str:
        """What was scored."""
        kind = "synthetic" if self.experiment.synthetic else "recorded"
        first, last = (f"{100 * share:g}" for share in self.experiment.blocks.test)
        return (
            f"{self.experiment.name}: {', '.join(self.trials)} ({kind}), {first}-{last} % of the"
            f" time, {self.seconds:.0f} s"
        )


def score(experiment: Experiment, pairs: list[Pair], refiner: Refiner) -> Scored:
    """Score a refiner and the baselines on the experiment's test block.

    The baselines are fitted on the same blocks as the refiner. Each block of a trial is refined
    by itself, so that nothing of the test block's past helps it.
    """
    blocks = experiment.blocks
    fit, stop, test = (
        [p.block(*share) for p in pairs] for share in (blocks.fit, blocks.stop, blocks.test)
    )
    seen = [p.block(blocks.fit[0], blocks.stop[1]) for p in pairs]
    factors = gain(
        pd.concat([p.simulated for p in seen]).to_numpy(),
        pd.concat([p.measured for p in seen]).to_numpy(),
    )
    ridge = Ridge(round(CONTEXT * RATE)).fit(
        *([(p.simulated if of == "x" else p.measured).to_numpy() for p in part]
          for part, of in ((fit, "x"), (fit, "y"), (stop, "x"), (stop, "y")))
    )  # fmt: skip
    measured = pd.concat([p.measured for p in test])

    def table(estimates: list[Any]) -> pd.DataFrame:
        estimate = pd.concat(
            [
                pd.DataFrame(e, index=p.measured.index, columns=p.measured.columns)
                for e, p in zip(estimates, test, strict=True)
            ]
        )
        return metrics.table(measured, estimate, RATE)

    tables = {
        "raw": table([p.simulated.to_numpy() for p in test]),
        "gain": table([p.simulated.to_numpy() * factors for p in test]),
        "ridge": table([ridge.predict(p.simulated.to_numpy()) for p in test]),
        "stdr_net": table([refiner.refine(p.simulated).to_numpy() for p in test]),
    }
    names = [p.name for p in pairs]
    return Scored(experiment, len(measured) / RATE, names, tables)


@app.command()
def main(
    configs: Annotated[
        list[Path] | None, typer.Argument(help="Experiments; all in training/configs otherwise.")
    ] = None,
    models: Annotated[
        Path, typer.Option(help="Folder that holds the refiners, by name.")
    ] = REPOSITORY / "saved_models",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write, without .json and .md.")
    ] = REPOSITORY / "docs" / "results",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score refiners and baselines; print the tables and write them as JSON and Markdown."""
    chosen = {path: read_experiment(path) for path in configs or sorted(CONFIGS.glob("*.yaml"))}
    terminal.quiet_tensorflow()
    scored = {
        experiment.name: score(
            experiment,
            list(experiment.prepare(data, path).pairs()),
            load(models / experiment.name),
        )
        for path, experiment in chosen.items()
    }
    result = {name: s.as_json() for name, s in scored.items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    page = "\n\n".join(["# Results", INTRODUCTION, *(s.as_markdown() for s in scored.values())])
    with replacing(output.with_suffix(".md")) as temporary:
        temporary.write_text(page + "\n", encoding="utf-8")
    if as_json:
        terminal.print_json(result)
    else:
        for s in scored.values():
            terminal.screen.print(s.as_rich())


INTRODUCTION = """\
Written by `python -m training.evaluate`, and by nothing else.

`raw` is the simulated activity as it is; `gain` the best factor for each muscle; `ridge` a ridge
regression on ±150 ms of all simulated channels; `STDR-Net` the shipped refiner.

Every figure is on the last block of a trial, which neither the network nor a baseline has seen;
normalisation, early stopping and the ridge penalty come from the blocks before it. RMSE is in
units of the measured envelope (0-1), r is Pearson's. It is the same person, task, speed and
session as the fit: these tables say nothing of other people."""


if __name__ == "__main__":
    terminal.run(app)
