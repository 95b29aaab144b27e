"""The result of a trial, its report as one HTML page, and pictures of activity and timing."""

from nem2e_tf.report import palette
from nem2e_tf.report.distortion_plot import plot_distortion
from nem2e_tf.report.facts import Facts
from nem2e_tf.report.page import render_page, write_report
from nem2e_tf.report.plots import plot_activity
from nem2e_tf.report.result import (
    FACTS,
    Result,
    has_same_inputs,
    read_facts,
    read_result,
    write_result,
)

__all__ = [
    "FACTS",
    "Facts",
    "Result",
    "has_same_inputs",
    "palette",
    "plot_activity",
    "plot_distortion",
    "read_facts",
    "read_result",
    "render_page",
    "write_report",
    "write_result",
]

# Former names, kept for one version.
read = read_result
