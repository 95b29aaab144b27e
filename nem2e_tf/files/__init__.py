"""Files of the field in and out, where commands write, and lists of trials."""

from nem2e_tf.files.c3d import read_c3d
from nem2e_tf.files.documents import check_document, parse_yaml, read_yaml
from nem2e_tf.files.locks import UNFINISHED, alone_in, clear, remove, unfinished
from nem2e_tf.files.markers import read_markers, seen
from nem2e_tf.files.paths import (
    check_folder,
    check_input,
    check_new_folder,
    check_output,
    new_folder,
    replacing,
)
from nem2e_tf.files.storage import (
    STORAGE_SUFFIXES,
    check_time,
    numbers,
    read_motion,
    read_storage,
    write_storage,
)
from nem2e_tf.files.trc import AXES
from nem2e_tf.files.trials import COLUMNS, TASKS, Trial, read_trials

__all__ = [
    "AXES",
    "COLUMNS",
    "STORAGE_SUFFIXES",
    "TASKS",
    "UNFINISHED",
    "Trial",
    "alone_in",
    "check_document",
    "check_folder",
    "check_input",
    "check_new_folder",
    "check_output",
    "check_time",
    "clear",
    "new_folder",
    "numbers",
    "parse_yaml",
    "read_c3d",
    "read_markers",
    "read_motion",
    "read_storage",
    "read_trials",
    "read_yaml",
    "remove",
    "replacing",
    "seen",
    "unfinished",
    "write_storage",
]
