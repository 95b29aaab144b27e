"""Work shared among processes."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    work: Callable[[Item], Result], items: Mapping[int, Item], jobs: int
) -> Iterator[tuple[int, Result]]:
    """Do the same work on many things at a time.

    joblib's processes are started anew rather than forked: a fork while OpenSim or TensorFlow run
    threads may hang. Within `joblib.parallel_config` the work goes to the back end set there.

    Args:
        work: callable of one item, at the top level of a module.
        items: by number.
        jobs: int. Processes; -1 is one for every processor, 1 does the work here.

    Yields:
        The number of an item and what came of it, as they get done.
    """
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
    yield from parallel(delayed(_numbered)(work, number, item) for number, item in items.items())


def _numbered(work: Callable[[Item], Result], number: int, item: Item) -> tuple[int, Result]:
    return number, work(item)
