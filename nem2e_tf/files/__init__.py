"""Readers and writers of files: storage, markers, C3D, YAML, lists of trials; paths, locks."""

from nem2e_tf.files.c3d import read_c3d, read_c3d_analog
from nem2e_tf.files.documents import check_document, find_named_file, parse_yaml, read_yaml
from nem2e_tf.files.emg_text import EMG_TEXT_SUFFIXES, read_emg_text
from nem2e_tf.files.locks import (
    UNFINISHED_PREFIX,
    exclusive_lock,
    remove_path,
    remove_unfinished,
    unfinished_path,
)
from nem2e_tf.files.marker_labels import describe_pairs, marker_names, suggest_pairs
from nem2e_tf.files.markers import read_markers, visible_markers
from nem2e_tf.files.paths import (
    check_folder,
    check_input,
    check_new_folder,
    check_output,
    create_folder,
    replace_file,
)
from nem2e_tf.files.samples import check_finite
from nem2e_tf.files.storage import (
    STORAGE_SUFFIXES,
    check_time,
    parse_numbers,
    read_motion,
    read_storage,
    write_storage,
)
from nem2e_tf.files.trc import AXES
from nem2e_tf.files.trials import COLUMNS, TASKS, Trial, read_trials

__all__ = [
    "AXES",
    "COLUMNS",
    "EMG_TEXT_SUFFIXES",
    "STORAGE_SUFFIXES",
    "TASKS",
    "UNFINISHED_PREFIX",
    "Trial",
    "check_document",
    "check_finite",
    "check_folder",
    "check_input",
    "check_new_folder",
    "check_output",
    "check_time",
    "create_folder",
    "describe_pairs",
    "exclusive_lock",
    "find_named_file",
    "marker_names",
    "parse_numbers",
    "parse_yaml",
    "read_c3d",
    "read_c3d_analog",
    "read_emg_text",
    "read_markers",
    "read_motion",
    "read_storage",
    "read_trials",
    "read_yaml",
    "remove_path",
    "remove_unfinished",
    "replace_file",
    "suggest_pairs",
    "unfinished_path",
    "visible_markers",
    "write_storage",
]
