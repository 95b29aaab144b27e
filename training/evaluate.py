"""Score STDR-Net and what it must beat: `python -m training.evaluate` writes docs/results.md.

Every method is fitted on the same recordings, in the same run, and scored on others.
"""

import importlib.util
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from nem2e_tf.cli import terminal
from nem2e_tf.edge import shipped
from nem2e_tf.errors import InputError, nearest
from nem2e_tf.files import read_yaml, replacing
from nem2e_tf.refiner import CARD, Card

from .evaluation.methods import METHODS, NETWORKS, is_kept, network, simple
from .evaluation.protocols import PROTOCOLS, Fold, Material, ablation_folds, folds
from .evaluation.results import Result, ablation_result, as_json, figures_of, read_results
from .evaluation.results_figures import draw
from .evaluation.results_page import page
from .evaluation.scoring import Estimated, Method, Section
from .experiment import EVALUATION, REPOSITORY, RUNS, Experiment, read_experiment
from .fit import begin

Step = Callable[[str, str], None]
"""Told of a method and of the fold on which it has been fitted."""

app = terminal.application("Score STDR-Net and other methods on what they never saw.")


def run(
    protocol: str,
    splits: Sequence[Fold],
    methods: Sequence[str],
    experiment: Experiment,
    kept: Path,
    step: Step = lambda method, fold: None,
) -> list[Section]:
    """Fit every method on every fold, or find it fitted, and estimate what is tested.

    Args:
        protocol: what it is called.
        splits: the folds.
        methods: of `training.methods.METHODS`.
        experiment: how networks are fitted.
        kept: folder of fitted networks.
        step: told of each method on each fold.
    """
    sections: dict[str, Section] = {}
    for fold in splits:
        section = sections.setdefault(
            fold.section, Section(protocol, fold.section, fold.data, fold.measured_unit)
        )
        fitted: dict[str, Method] = {}
        for method in methods:
            if method in NETWORKS:
                fitted[method] = network(method, experiment, fold.teaching, kept)
            else:
                fitted[method] = simple(method, fold.teaching)
            section.parameters[method] = fitted[method].parameters
            step(method, f"{protocol}, {fold.name}")
        section.tested += [Estimated.of(pair, fitted, fold.measured_unit) for pair in fold.test]
    return list(sections.values())


def read_ablations(path: Path, experiment: Experiment) -> dict[str, Experiment]:
    """Experiments by name, from a table of changes to one; `InputError` names one that is wrong."""
    table = read_yaml(path, "ablations")
    if not isinstance(table, dict) or not all(isinstance(c, dict) for c in table.values()):
        raise InputError(f"{path}: not a table of names, each with what it changes")
    changed = {}
    for name, changes in table.items():
        try:
            changed[str(name)] = Experiment.model_validate(
                _merged(experiment.model_dump(), changes)
            )
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{path}: {name}: {place}: {first['msg']}") from None
    return changed


def _merged(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with some of them changed; tables within are merged, not replaced."""
    return settings | {
        name: _merged(settings[name], value)
        if isinstance(value, dict) and isinstance(settings.get(name), dict)
        else value
        for name, value in changes.items()
    }


@contextmanager
def _steps(tasks: Sequence[tuple[Fold, str, Experiment]], kept: Path) -> Iterator[Step]:
    """A progress bar over folds and methods, and a line for every network."""
    missing = sum(
        not is_kept(method, experiment, fold.teaching, kept)
        for fold, method, experiment in tasks
        if method in NETWORKS
    )
    terminal.console.print(f"{missing} networks to fit, the others are kept", highlight=False)
    with terminal.progress_bar("fitting and scoring") as progress:
        done = 0

        def step(method: str, fold: str) -> None:
            nonlocal done
            done += 1
            progress(done, len(tasks))
            if method in NETWORKS:
                told = f"{done} of {len(tasks)}: {fold}, {METHODS[method]}"
                terminal.console.print(told, highlight=False, soft_wrap=True)

        yield step


def _chosen(given: Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    """What was asked for, in the usual order."""
    for name in given or ():
        if name not in (*known, "all"):
            raise InputError(f"there is no {what} '{name}'; {nearest(name, known)}")
    return [name for name in known if not given or "all" in given or name in given]


@app.command()
def main(
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(PROTOCOLS)} or all; may be repeated. All otherwise, or with --ablate"
            " none. Of the others the page keeps what it has."
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            help="Of these only, beside raw; may be repeated. All otherwise, but the convolution"
            " and the transformer, dear to fit, in protocol block alone."
        ),
    ] = None,
    groups: Annotated[
        int, typer.Option("--folds", help="Groups of people in subject; as many as people: each.")
    ] = 20,
    config: Annotated[
        Path, typer.Option(help="How networks are fitted, and on whom.")
    ] = EVALUATION,
    ablate: Annotated[
        Path | None, typer.Option(help="Table of changes, each refitted and scored.")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write, without .json and .md.")
    ] = REPOSITORY / "docs" / "results",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
    json_only: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit, score and write page, figures and numbers; a fitted network is not fitted again.

    Protocols that are not asked for stay on the page as they were.
    """
    for module in ("spm1d", "dtaidistance"):
        if importlib.util.find_spec(module) is None:
            raise InputError(f"{module} is not installed; install it: pip install -e '.[evaluate]'")
    chosen = _chosen(protocol, PROTOCOLS, "protocol") if protocol or ablate is None else []
    asked = _chosen(methods and ["raw", *methods], list(METHODS), "method")
    scored = {name: asked if methods else _usual(name) for name in chosen}
    experiment = read_experiment(config)
    changed = read_ablations(ablate, experiment) if ablate is not None else {}
    former = read_results(output.with_suffix(".json"))
    begin()
    kept = RUNS / "evaluation"

    def material(of: Experiment, people: bool) -> Material:
        people = people or (of.cohort is not None and of.cohort.share > 0.0)
        return Material(
            of,
            of.recorded(data, config),
            of.virtual() if people else None,
            of.other_people() if "virtual" in chosen and of is experiment else None,
            data,
        )

    whole = material(experiment, not {"speed", "subject", "virtual"}.isdisjoint(chosen))
    splits = {name: folds(name, whole, groups) for name in chosen}
    ablations = {name: (of, ablation_folds(material(of, True))) for name, of in changed.items()}
    tasks = [(f, m, experiment) for name in chosen for f in splits[name] for m in scored[name]]
    tasks += [(f, m, of) for of, every in ablations.values() for f in every for m in _ABLATED]
    with _steps(tasks, kept) as step:
        results = {
            name: [Result.of(s) for s in run(name, every, scored[name], experiment, kept, step)]
            for name, every in splits.items()
        }
        table = {
            name: ablation_result(run(name, every, _ABLATED, of, kept, step))
            for name, (of, every) in ablations.items()
        }
    command = shlex.join(["python", "-m", "training.evaluate", *sys.argv[1:]])
    output.parent.mkdir(parents=True, exist_ok=True)
    ran = {"command": command, "date": date.today().isoformat()}
    of_protocol: dict[str, dict[str, Any]] = {}
    for name, of_sections in results.items():
        figures, own = draw(name, of_sections, output)
        told = [r.as_json() | {"figures": f} for r, f in zip(of_sections, own, strict=True)]
        of_protocol[name] = ran | {"figures": figures, "sections": told}
        if name == "subject":
            of_protocol[name]["groups"] = groups
    found = as_json(
        former["protocols"] | of_protocol,
        ran | {"rows": table} if table else former["ablations"],
    )
    cards = {name: Card.read(folder / CARD) for name, folder in shipped().items()}
    text = page(found, experiment, cards)
    for suffix, content in ((".json", json.dumps(found, indent=1) + "\n"), (".md", text)):
        with replacing(output.with_suffix(suffix)) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")
    for name in figures_of(former) - figures_of(found):
        output.with_name(name).unlink(missing_ok=True)
    if json_only:
        terminal.print_json(found)
    else:
        terminal.screen.print(f"wrote {output.with_suffix('.md')}", soft_wrap=True, highlight=False)


def _usual(protocol: str) -> list[str]:
    """Methods of a protocol where none is asked for."""
    return [name for name in METHODS if protocol == "block" or name not in _DEAR]


_ABLATED = ("raw", "stdr_net")
_DEAR = ("temporal_convolution", "transformer")

if __name__ == "__main__":
    terminal.run(app)
