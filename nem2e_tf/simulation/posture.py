"""Poses of a model, frame by frame, including its coupled coordinates."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Coupler:
    """A coordinate that is a function of others, such as a patella's of the knee angle.

    Args:
        dependent: name of the coordinate that follows.
        independent: names of the coordinates that lead.
        function: opensim.Function of their values.
        scale: factor of the function.
    """

    dependent: str
    independent: tuple[str, ...]
    function: Any
    scale: float

    def value(self, leading: np.ndarray) -> np.ndarray:
        """The dependent coordinate at values `(frames, independent)`: `(frames,)`."""
        import opensim

        return np.array(
            [self.scale * self.function.calcValue(opensim.Vector(x)) for x in leading.tolist()]
        )

    def slope(self, leading: np.ndarray, argument: int) -> np.ndarray:
        """The derivative of the dependent coordinate by one independent one: `(frames,)`."""
        import opensim

        by = opensim.StdVectorInt()
        by.push_back(argument)
        slopes = [self.function.calcDerivative(by, opensim.Vector(x)) for x in leading.tolist()]
        return self.scale * np.array(slopes)


def find_couplers(model: Any) -> tuple[tuple[Coupler, ...], bool]:
    """The couplers of a model, and whether it has other constraints of its coordinates.

    Poses can be computed directly only where every constraint is a `CoordinateCouplerConstraint`;
    otherwise OpenSim has to assemble the model.
    """
    import opensim

    found, has_others = [], False
    constraints = model.getConstraintSet()
    for constraint in (constraints.get(i) for i in range(constraints.getSize())):
        if not constraint.get_isEnforced():
            continue
        coupler = opensim.CoordinateCouplerConstraint.safeDownCast(constraint)
        if coupler is None:
            has_others = True
            continue
        names = coupler.getIndependentCoordinateNames()
        scale = opensim.PropertyHelper.getValueDouble(coupler.getPropertyByName("scale_factor"))
        found.append(
            Coupler(
                dependent=coupler.getDependentCoordinateName(),
                independent=tuple(names.get(i) for i in range(names.getSize())),
                function=coupler.getFunction(),
                scale=scale,
            )
        )
    chained = {c.dependent for c in found} & {name for c in found for name in c.independent}
    return tuple(found), has_others or bool(chained)


class Posture:
    """A model's state, set to given poses.

    Coordinates that are not given keep the model's default value, and locked ones theirs; coupled
    ones follow their coupler, whatever is given for them. Where other constraints act, OpenSim
    assembles the model.

    Args:
        model: opensim.Model, initialised.
        inputs: coordinates whose values will be given, in their order.
    """

    def __init__(self, model: Any, inputs: tuple[str, ...]) -> None:
        self.model = model
        # Otherwise coordinates that are not given would keep the pose of an earlier use.
        self.state = model.initializeState()
        # Assembling a pose gives coupled coordinates their value, but not their speed.
        self._couplers, self.needs_assembly = find_couplers(model)
        coordinates = model.getCoordinateSet()
        every = [coordinates.get(i) for i in range(coordinates.getSize())]
        self._coordinates = [c for c in every if not c.getLocked(self.state)]
        self._defaults = np.array([c.getDefaultValue() for c in self._coordinates])
        self.names = tuple(c.getName() for c in self._coordinates)
        known = [(i, self.names.index(name)) for i, name in enumerate(inputs) if name in self.names]
        self._from, self._to = [i for i, _ in known], [i for _, i in known]

    def complete(self, values: np.ndarray, speeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and speeds of all coordinates that are not locked, in the order of `names`.

        Args:
            values: `(frames, inputs)`, radians and metres.
            speeds: `(frames, inputs)`, radians and metres a second.

        Returns:
            `(frames, names)` values and speeds.
        """
        all_values = np.tile(self._defaults, (len(values), 1))
        all_speeds = np.zeros_like(all_values)
        all_values[:, self._to] = values[:, self._from]
        all_speeds[:, self._to] = speeds[:, self._from]
        for coupler, leads, follows in self._coupled_indices():
            all_values[:, follows] = coupler.value(all_values[:, leads])
            all_speeds[:, follows] = sum(
                coupler.slope(all_values[:, leads], i) * all_speeds[:, lead]
                for i, lead in enumerate(leads)
            )
        return all_values, all_speeds

    def rates(self, values: np.ndarray, names: Iterable[str]) -> np.ndarray:
        """Speed of every coordinate when the named ones move at unit speed: `(frames, names)`.

        Args:
            values: `(frames, names)`, from `complete`.
            names: independent coordinates.
        """
        rates = np.zeros_like(values)
        for name in names:
            rates[:, self.names.index(name)] = 1.0
        for coupler, leads, follows in self._coupled_indices():
            rates[:, follows] = sum(
                coupler.slope(values[:, leads], i) * rates[:, lead] for i, lead in enumerate(leads)
            )
        return rates

    def _coupled_indices(self) -> Iterator[tuple[Coupler, list[int], int]]:
        """Each coupler with the indices of its coordinates in `names`."""
        for coupler in self._couplers:
            if coupler.dependent in self.names:
                leads = [self.names.index(name) for name in coupler.independent]
                yield coupler, leads, self.names.index(coupler.dependent)

    def set_pose(self, values: np.ndarray) -> None:
        """Pose the model: values of one frame, `(names,)`."""
        for coordinate, value in zip(self._coordinates, values.tolist(), strict=True):
            coordinate.setValue(self.state, value, False)
        if self.needs_assembly:
            self.model.assemble(self.state)
        self.model.realizePosition(self.state)

    def set_speeds(self, speeds: np.ndarray) -> None:
        """Set the speeds `(names,)` only; results that depend on the pose alone stay valid."""
        for coordinate, speed in zip(self._coordinates, speeds.tolist(), strict=True):
            coordinate.setSpeedValue(self.state, speed)
        self.model.realizeVelocity(self.state)
