"""Work for processes of their own, which import nothing else."""

import os
import signal


def square_or_die(number: int) -> int:
    """The square of a number; a negative one kills the process."""
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2


def process_id(_: int) -> int:
    """The number of the process."""
    return os.getpid()
