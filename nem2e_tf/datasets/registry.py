"""Public sets of recordings: what each holds, under which licence, and how to obtain it."""

from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import TASKS, parse_yaml


def _check_relative(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or any(c in path for c in "\\:\0"):
        raise ValueError("must be a path that stays within the set's folder")
    return path


def _check_task(task: str) -> str:
    if task not in TASKS:
        raise ValueError(f"'{task}' is not a task; {suggest_name(task, TASKS)}")
    return task


RelativePath = Annotated[str, AfterValidator(_check_relative)]
Task = Annotated[str, AfterValidator(_check_task)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class File(_Entry):
    """A file of a set that is fetched.

    Args:
        name: its path in the set's folder.
        source: its path below the set's address.
        size: bytes.
        sha256: of its content.
    """

    name: RelativePath
    source: RelativePath
    size: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class RecordedTrial(_Entry):
    """A trial of a set by its files, or one entry for many trials.

    Args:
        subject: who moved; left out with `each`.
        task: what was done.
        model: the OpenSim model. This and the next are patterns as of `pathlib.Path.glob`, in
            which `{subject}` and `{trial}` stand for those of `each`.
        motion: joint motion.
        loads: OpenSim ExternalLoads (.xml), or ground reaction forces (.mot) that the set's `loads`
            explain, or None.
        moments: joint moments; None works them out from the loads.
        emg: measured EMG.
        start: seconds; None is where all of these have begun.
        end: seconds; None is where one of them ends.
        each: by subject, the trials.
    """

    subject: str = "{subject}"
    task: Task
    model: RelativePath
    motion: RelativePath
    loads: RelativePath | None = None
    moments: RelativePath | None = None
    emg: RelativePath
    start: float | None = None
    end: float | None = None
    each: dict[RelativePath, list[RelativePath]] = {}

    @model_validator(mode="after")
    def _check_inputs(self) -> "RecordedTrial":
        if self.moments is None and self.loads is None:
            raise ValueError("a trial needs moments, or loads to work them out from")
        if bool(self.each) != (self.subject == "{subject}"):
            raise ValueError("a trial needs either a subject or, for each of several, their trials")
        return self

    @property
    def name(self) -> str:
        """The trial's name in messages."""
        return f"{self.subject} {PurePosixPath(self.motion).stem}"

    @property
    def files(self) -> dict[str, str]:
        """By column of a list of trials, the pattern of its file."""
        columns = ("model", "motion", "loads", "moments", "emg")
        return {column: pattern for column in columns if (pattern := getattr(self, column))}

    def expand(self) -> "list[RecordedTrial]":
        """An entry for each trial, without braces."""
        if not self.each:
            return [self]
        text = self.model_dump_json(exclude={"each"})
        return [
            RecordedTrial.model_validate_json(
                text.replace("{subject}", subject).replace("{trial}", trial)
            )
            for subject, trials in self.each.items()
            for trial in trials
        ]


class Dataset(_Entry):
    """A public set of recordings.

    Args:
        what: what was recorded.
        people: how many.
        tasks: what they did.
        rates: samples a second of what is in it.
        citation: what to cite.
        doi: of that.
        licence: its name.
        page: address of the set, for a person.
        address: base address of the files; None where a person has to log in.
        log_in: how a person obtains the set; None where it is fetched.
        files: of a set that is fetched.
        channels: which column of the set's EMG each of our channels is; empty where its columns are
            muscles of its model.
        loads: by body, what the columns of its ground reaction forces begin with; empty where the
            loads are ExternalLoads.
        raw: whether the EMG is raw, rather than envelopes.
        trials: in the order of the list.
    """

    what: str
    people: int = Field(gt=0)
    tasks: list[Task]
    rates: str
    citation: str
    doi: str
    licence: str
    page: str
    address: str | None = None
    log_in: str | None = None
    files: list[File] = []
    channels: dict[str, str] = {}
    loads: dict[str, str] = {}
    raw: bool = False
    trials: list[RecordedTrial]

    @model_validator(mode="after")
    def _check_origin(self) -> "Dataset":
        if (self.log_in is None) != bool(self.address and self.files):
            raise ValueError("a set needs either an address with files, or how to log in")
        return self

    @property
    def recorded_trials(self) -> list[RecordedTrial]:
        """The trials, one by one."""
        return [trial for entry in self.trials for trial in entry.expand()]

    @property
    def size(self) -> int:
        """Bytes of all files that are fetched."""
        return sum(file.size for file in self.files)

    def as_json(self) -> dict[str, Any]:
        """Plain tables and lists; trials one by one."""
        trials = [recorded.model_dump(exclude={"each"}) for recorded in self.recorded_trials]
        return self.model_dump() | {"trials": trials, "size": self.size}


@cache
def read_registry() -> dict[str, Dataset]:
    """All sets that the package knows, by name."""
    table = resources.files("nem2e_tf.datasets") / "datasets.yaml"
    return parse_registry(table.read_text(encoding="utf-8"), "datasets.yaml")


def parse_registry(text: str, what: str) -> dict[str, Dataset]:
    """Read a registry from YAML; `InputError` names the first fact that is wrong."""
    sets = {}
    for name, facts in parse_yaml(text, what).items():
        try:
            sets[name] = Dataset.model_validate(facts)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in (name, *first["loc"]))
            raise InputError(f"{what}: {place}: {first['msg']}") from None
    return sets


def find_dataset(name: str) -> Dataset:
    """The set of that name; `InputError` names the nearest one."""
    known = read_registry()
    if name not in known:
        raise InputError(f"there is no set '{name}'; {suggest_name(name, known)}")
    return known[name]
