"""Score STDR-Net beside other methods: `python -m training.evaluate` writes docs/results.md.

Every method is fitted on the same recordings in the same run, and scored on other recordings.
"""

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
from nem2e_tf.edge import shipped_refiners
from nem2e_tf.errors import InputError, require, suggest_name
from nem2e_tf.files import read_yaml
from nem2e_tf.refiner import CARD, Card

from .evaluation.methods import METHODS, NETWORKS, fit_baseline, fit_network, is_cached
from .evaluation.protocols import PROTOCOLS, EvaluationData, Fold, make_ablation_folds, make_folds
from .evaluation.results import Result, ablation_result, read_results, results_as_json
from .evaluation.results_figures import draw_sections
from .evaluation.results_files import write_results
from .evaluation.scoring import Method, ScoredRecording, Section
from .experiment import Experiment, read_experiment
from .fit import configure_tensorflow
from .places import EVALUATION, REPOSITORY, RUNS

Step = Callable[[str, str], None]
"""Called with a method and the fold on which it was fitted."""

app = terminal.make_app("Score STDR-Net and other methods on recordings that no fit has seen.")


def run_protocol(
    protocol: str,
    splits: Sequence[Fold],
    methods: Sequence[str],
    experiment: Experiment,
    cache: Path,
    step: Step = lambda method, fold: None,
) -> list[Section]:
    """Fit every method on every fold, or load it from the cache, and estimate the test recordings.

    Args:
        protocol: its name.
        splits: the folds.
        methods: of `training.evaluation.methods.METHODS`.
        experiment: the settings of the fits.
        cache: folder of fitted networks.
        step: called after each method on each fold.
    """
    sections: dict[str, Section] = {}
    for fold in splits:
        section = sections.setdefault(
            fold.section, Section(protocol, fold.section, fold.data, fold.has_measured_unit)
        )
        fitted: dict[str, Method] = {}
        for method in methods:
            if method in NETWORKS:
                fitted[method] = fit_network(method, experiment, fold.training_parts, cache)
            else:
                fitted[method] = fit_baseline(method, fold.training_parts)
            section.parameters[method] = fitted[method].parameters
            step(method, f"{protocol}, {fold.name}")
        section.tested += [
            ScoredRecording.from_pair(pair, fitted, fold.has_measured_unit) for pair in fold.test
        ]
    return list(sections.values())


def read_ablations(path: Path, experiment: Experiment) -> dict[str, Experiment]:
    """Read a table of changes to an experiment, as experiments by name.

    Raises:
        InputError: a setting is wrong; the message names it.
    """
    table = read_yaml(path, "ablations")
    if not isinstance(table, dict) or not all(isinstance(c, dict) for c in table.values()):
        raise InputError(f"{path}: not a table of names, each with what it changes")
    ablated_experiments = {}
    for name, changes in table.items():
        try:
            ablated_experiments[str(name)] = Experiment.model_validate(
                _merge_settings(experiment.model_dump(), changes)
            )
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InputError(f"{path}: {name}: {place}: {first['msg']}") from None
    return ablated_experiments


def _merge_settings(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Settings with some of them changed; tables within are merged, not replaced."""
    return settings | {
        name: _merge_settings(settings[name], value)
        if isinstance(value, dict) and isinstance(settings.get(name), dict)
        else value
        for name, value in changes.items()
    }


@contextmanager
def _report_steps(tasks: Sequence[tuple[Fold, str, Experiment]], cache: Path) -> Iterator[Step]:
    """Show a progress bar over folds and methods, and print a line for every network."""
    missing = sum(
        not is_cached(method, experiment, fold.training_parts, cache)
        for fold, method, experiment in tasks
        if method in NETWORKS
    )
    terminal.stderr.print(f"{missing} networks to fit, the others are kept", highlight=False)
    with terminal.progress_bar("fitting and scoring") as progress:
        done = 0

        def step(method: str, fold: str) -> None:
            nonlocal done
            done += 1
            progress(done, len(tasks))
            if method in NETWORKS:
                message = f"{done} of {len(tasks)}: {fold}, {METHODS[method]}"
                terminal.stderr.print(message, highlight=False, soft_wrap=True)

        yield step


def _select_names(requested: Sequence[str] | None, known: Sequence[str], what: str) -> list[str]:
    """The requested names in the usual order; all where none is requested."""
    for name in requested or ():
        if name not in (*known, "all"):
            raise InputError(f"there is no {what} '{name}'; {suggest_name(name, known)}")
    return [name for name in known if not requested or "all" in requested or name in requested]


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
        Path,
        typer.Option("--output", "-o", help="Where to write .json, .md, .png and a folder."),
    ] = REPOSITORY / "docs" / "results",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Write the page again from the .json; fit nothing.")
    ] = False,
    json_only: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit, score and write page, appendix, tables and figures; a kept network is not fitted again.

    Protocols that are not asked for stay on the page as they were.
    """
    if page_only:
        kept_results = read_results(output.with_suffix(".json"))
        if not kept_results["protocols"]:
            raise InputError(f"{output.with_suffix('.json')}: there is none; evaluate first")
        return _write(kept_results, read_experiment(config), output, kept_results, json_only)
    for module in ("spm1d", "dtaidistance"):
        require(module, extra="evaluate")
    chosen = _select_names(protocol, PROTOCOLS, "protocol") if protocol or ablate is None else []
    selected_methods = _select_names(methods and ["raw", *methods], list(METHODS), "method")
    protocol_methods = {
        name: selected_methods if methods else _default_methods(name) for name in chosen
    }
    experiment = read_experiment(config)
    ablated_experiments = read_ablations(ablate, experiment) if ablate is not None else {}
    former_results = read_results(output.with_suffix(".json"))
    configure_tensorflow()
    cache = RUNS / "evaluation"

    def gather_data(of: Experiment, people: bool) -> EvaluationData:
        people = people or (of.cohort is not None and of.cohort.share > 0.0)
        return EvaluationData(
            of,
            of.prepare_recorded(data, config),
            of.prepare_virtual() if people else None,
            of.prepare_others() if "virtual" in chosen and of is experiment else None,
            data,
        )

    evaluation_data = gather_data(
        experiment, not {"speed", "subject", "virtual"}.isdisjoint(chosen)
    )
    splits = {name: make_folds(name, evaluation_data, groups) for name in chosen}
    ablations = {
        name: (of, make_ablation_folds(gather_data(of, True)))
        for name, of in ablated_experiments.items()
    }
    tasks = [
        (f, m, experiment) for name in chosen for f in splits[name] for m in protocol_methods[name]
    ]
    tasks += [
        (f, m, of)
        for of, ablation_folds in ablations.values()
        for f in ablation_folds
        for m in _ABLATION_METHODS
    ]
    with _report_steps(tasks, cache) as step:
        results = {
            name: [
                Result.from_section(s)
                for s in run_protocol(
                    name, protocol_folds, protocol_methods[name], experiment, cache, step
                )
            ]
            for name, protocol_folds in splits.items()
        }
        table = {
            name: ablation_result(
                run_protocol(name, ablation_folds, _ABLATION_METHODS, of, cache, step)
            )
            for name, (of, ablation_folds) in ablations.items()
        }
    command = shlex.join(["python", "-m", "training.evaluate", *sys.argv[1:]])
    output.parent.mkdir(parents=True, exist_ok=True)
    run_facts = {"command": command, "date": date.today().isoformat()}
    of_protocol: dict[str, dict[str, Any]] = {}
    for name, of_sections in results.items():
        figures = draw_sections(name, of_sections, output)
        sections = [r.as_json() | {"figures": f} for r, f in zip(of_sections, figures, strict=True)]
        of_protocol[name] = run_facts | {"figures": [], "sections": sections}
        if name == "subject":
            of_protocol[name]["groups"] = groups
    results_json = results_as_json(
        former_results["protocols"] | of_protocol,
        run_facts | {"rows": table} if table else former_results["ablations"],
    )
    _write(results_json, experiment, output, former_results, json_only)


def _write(
    results_json: dict[str, Any],
    experiment: Experiment,
    output: Path,
    former_results: dict[str, Any],
    json_only: bool,
) -> None:
    cards = {name: Card.read(folder / CARD) for name, folder in shipped_refiners().items()}
    written = write_results(results_json, experiment, cards, output, former_results)
    if json_only:
        terminal.print_json(written)
    else:
        terminal.stdout.print(f"wrote {output.with_suffix('.md')}", soft_wrap=True, highlight=False)


def _default_methods(protocol: str) -> list[str]:
    """The methods of a protocol where none is requested."""
    return [name for name in METHODS if protocol == "block" or name not in _SLOW_METHODS]


_ABLATION_METHODS = ("raw", "stdr_net")
_SLOW_METHODS = ("temporal_convolution", "transformer")

if __name__ == "__main__":
    terminal.run(app)
