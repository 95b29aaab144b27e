"""Virtual subjects: a leg of any mass and height, and a gait for it to walk.

Nothing here loads OpenSim until a leg is built.
"""

from nem2e_tf.cohort.gait import walking, walking_cycle
from nem2e_tf.cohort.leg import build_leg

__all__ = ["build_leg", "walking", "walking_cycle"]
