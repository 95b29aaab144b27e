"""Virtual people: bodies and muscles known entirely, who walk and run with an EMG like people's.

Nothing here loads OpenSim until a leg is built.
"""

from nem2e_tf.cohort.causes import causes, switched_on
from nem2e_tf.cohort.cycles import typical_cycle
from nem2e_tf.cohort.gait import walking, walking_cycle
from nem2e_tf.cohort.leg import build_leg
from nem2e_tf.cohort.making import Recipe, make_cohort
from nem2e_tf.cohort.session import session
from nem2e_tf.cohort.subject import sample_subject

__all__ = [
    "Recipe",
    "build_leg",
    "causes",
    "make_cohort",
    "sample_subject",
    "session",
    "switched_on",
    "typical_cycle",
    "walking",
    "walking_cycle",
]
