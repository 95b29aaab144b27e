"""A recording to its result, and the recordings of a study to a summary."""

from nem2e_tf.study.request import Request

__all__ = ["Request"]
