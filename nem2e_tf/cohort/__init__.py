"""Virtual people: bodies and muscles known entirely, who walk and run with an EMG like people's.

Nothing here loads OpenSim until a leg is built.
"""

from nem2e_tf.cohort.causes import causes, switched_on
from nem2e_tf.cohort.cycles import SPEEDS, typical_cycle
from nem2e_tf.cohort.demo import SEED, demo_walk
from nem2e_tf.cohort.gait import walking, walking_cycle
from nem2e_tf.cohort.leg import build_leg
from nem2e_tf.cohort.making import LIST, Recipe, make_cohort, write_trial
from nem2e_tf.cohort.session import session, write_leg
from nem2e_tf.cohort.subject import sample_subject
from nem2e_tf.cohort.surface import ELECTRODES

__all__ = [
    "ELECTRODES",
    "LIST",
    "SEED",
    "SPEEDS",
    "Recipe",
    "build_leg",
    "causes",
    "demo_walk",
    "make_cohort",
    "sample_subject",
    "session",
    "switched_on",
    "typical_cycle",
    "walking",
    "walking_cycle",
    "write_leg",
    "write_trial",
]
