"""The same work on many items, in several processes."""

import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_PROCESS = 25
"""Items for each process, after which all are replaced by new ones, so that leaks do not add up."""


def map_in_processes(
    work: Callable[[Item], Result], items: Mapping[int, Item], jobs: int
) -> Iterator[tuple[int, Result]]:
    """Do the same work on several items at a time.

    joblib starts new processes rather than forking: a fork while OpenSim or TensorFlow run threads
    may hang. Within `joblib.parallel_config` the work goes to the back end set there.

    Args:
        work: callable of one item, at the top level of a module.
        items: by number.
        jobs: int. Processes; -1 is one for every processor, 1 does the work here.

    Yields:
        The number of an item and its result, in the order of completion.
    """
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")
    yield from parallel(
        delayed(_run_numbered)(work, number, item) for number, item in items.items()
    )


def _run_numbered(work: Callable[[Item], Result], number: int, item: Item) -> tuple[int, Result]:
    return number, work(item)


def map_in_own_processes(
    work: Callable[[Item], Result],
    items: Mapping[int, Item],
    jobs: int,
) -> Iterator[tuple[int, Result | None]]:
    """Do the same work on many items; a process that dies costs only the item that it worked on.

    Args:
        work: callable of one item, at the top level of a module.
        items: by number.
        jobs: int. Processes, replaced after `ITEMS_PER_PROCESS` items; -1 is one for every
            processor.

    Yields:
        The number of an item and its result, in the order of completion; None where its process
        died.
    """
    from joblib import cpu_count

    jobs = jobs if jobs > 0 else cpu_count()
    # There is a process for every processor; and with one thread the order of a sum is fixed.
    for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(threads, "1")
    remaining = dict(items)
    while remaining:
        # An executor that renews its processes itself (`max_tasks_per_child`) hangs in Python 3.11.
        batch = dict(itertools.islice(remaining.items(), ITEMS_PER_PROCESS * jobs))
        try:
            for number, result in _map_in_pool(work, batch, jobs):
                del remaining[number]
                yield number, result
        except BrokenProcessPool:
            # One of the first remaining items ended its process; each gets a process of its own.
            for number in list(remaining)[: jobs + 1]:
                item = remaining.pop(number)
                try:
                    yield from _map_in_pool(work, {number: item}, 1)
                except BrokenProcessPool:
                    yield number, None


def _map_in_pool(
    work: Callable[[Item], Result], items: Mapping[int, Item], jobs: int
) -> Iterator[tuple[int, Result]]:
    pool = ProcessPoolExecutor(
        min(jobs, len(items)),
        mp_context=multiprocessing.get_context("spawn"),  # a fork beside threads may hang
        initializer=_start_worker,
    )
    try:
        futures = {pool.submit(work, item): number for number, item in items.items()}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    # Interrupted together with its parent, a process ends without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
