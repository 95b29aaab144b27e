"""Runs code of this repository as if its system were not POSIX: `python -m tests.without_posix …`.

    modules            import every module of nem2e_tf, training and export
    nem2e ARGUMENTS    run the command

What these three import is refused or cut down, by who imports it: libraries keep what they need.
It is no Windows: paths, consoles, processes and compiled libraries are those of this system.
"""

import builtins
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

OURS = ("nem2e_tf", "training", "export")
# Space for lists, which nobody reads one name a line.
# ruff: noqa: SIM905
MODULES = frozenset(
    "curses fcntl grp posix pty pwd readline resource spwd syslog termios tty".split()
)
"""That Windows does not have."""
OS = frozenset(
    """
    WCOREDUMP WEXITSTATUS WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WNOHANG WSTOPSIG WTERMSIG
    chown chroot confstr ctermid fchdir fchown fork forkpty fpathconf fstatvfs getegid geteuid
    getgid getgroups getloadavg getpgid getpgrp getpriority getresgid getresuid getsid getuid
    getxattr killpg lchown listxattr lockf major makedev mkfifo mknod nice openpty pathconf
    posix_fadvise posix_fallocate posix_spawn posix_spawnp pread preadv pwrite pwritev readv
    sched_getaffinity sched_getscheduler sched_setaffinity sched_yield sendfile setegid seteuid
    setgid setpgid setpriority setresgid setresuid setsid setuid setxattr statvfs sync sysconf
    tcgetpgrp tcsetpgrp uname wait wait3 wait4 waitid writev
    """.split()
)
OPEN_FLAGS = frozenset("APPEND BINARY CREAT EXCL RDONLY RDWR TRUNC WRONLY".split())
"""That Windows has, and POSIX."""
SIGNALS = frozenset("ABRT FPE ILL INT SEGV TERM _DFL _IGN".split())


def _cut_down(module: ModuleType, names: Iterator[str]) -> ModuleType:
    copy = ModuleType(module.__name__, module.__doc__)
    copy.__dict__.update(vars(module))
    for name in names:
        vars(copy).pop(name, None)
    return copy


def without_posix() -> None:
    """Refuse what only POSIX has to every import in `OURS` from now on."""
    signals = (n for n in dir(signal) if n.startswith("SIG") and n[3:] not in SIGNALS)
    timers = ("alarm", "pause", "setitimer", "getitimer", "pthread_kill", "sigwait", "siginterrupt")
    flags = (n for n in dir(os) if n.startswith("O_") and n[2:] not in OPEN_FLAGS)
    cut = {
        "os": _cut_down(os, iter([*OS, *flags])),
        "signal": _cut_down(signal, iter([*signals, *timers])),
    }
    imported = builtins.__import__

    def import_(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        importer = str((globals or {}).get("__name__", "")).partition(".")[0]
        if importer in OURS and level == 0:
            if name.partition(".")[0] in MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in cut:
                return cut[name]
        return imported(name, globals, locals, fromlist, level)

    builtins.__import__ = import_


def modules() -> list[str]:
    """Import every module; their names."""
    found = []
    for package in OURS:
        top = importlib.import_module(package)
        found.append(package)
        for module in pkgutil.walk_packages(top.__path__, f"{package}."):
            # One that is a package imports its own modules here; `__main__` runs.
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
                found.append(module.name)
    return found


def main() -> None:
    """What the first argument names."""
    without_posix()
    if sys.argv[1] == "modules":
        print(len(modules()))
        return
    del sys.argv[0]
    importlib.import_module("nem2e_tf.cli").main()


if __name__ == "__main__":
    main()
