"""Virtual people: synthetic bodies, gait, muscles and EMG, of which every parameter is known.

Nothing here loads OpenSim until a leg is built.
"""

from nem2e_tf.cohort.causes import read_causes, select_causes
from nem2e_tf.cohort.cycles import SPEEDS, typical_cycle
from nem2e_tf.cohort.demo import SEED, write_demo_walk
from nem2e_tf.cohort.gait import synthetic_walking, walking_cycle
from nem2e_tf.cohort.generation import LIST, Recipe, make_cohort, write_trial
from nem2e_tf.cohort.leg import build_leg
from nem2e_tf.cohort.session import record_session, write_leg
from nem2e_tf.cohort.subject import sample_subject
from nem2e_tf.cohort.surface import ELECTRODES

__all__ = [
    "ELECTRODES",
    "LIST",
    "SEED",
    "SPEEDS",
    "Recipe",
    "build_leg",
    "make_cohort",
    "read_causes",
    "record_session",
    "sample_subject",
    "select_causes",
    "synthetic_walking",
    "typical_cycle",
    "walking_cycle",
    "write_demo_walk",
    "write_leg",
    "write_trial",
]
