"""A recording to its result, and many recordings to a summary."""

from nem2e_tf.study.estimation import Request

__all__ = [
    "Request",
]
