"""Muscle paths as polynomials of the joint angles, evaluated for all frames at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from nem2e_tf.simulation.capacity import ForceCurves
from nem2e_tf.simulation.geometry import ExactPaths, MuscleGeometry
from nem2e_tf.simulation.model import LegModel


@dataclass(frozen=True)
class Polynomial:
    """A muscle's length as a polynomial of the coordinates that it crosses.

    Args:
        muscle: str.
        coordinates: names of the arguments.
        order: int. The largest sum of exponents in a term.
        coefficients: `(terms,)`, in the order of OpenSim's `MultivariatePolynomialFunction`: by
            ascending exponents, those of the last argument fastest.
    """

    muscle: str
    coordinates: tuple[str, ...]
    order: int
    coefficients: np.ndarray


def exponents(arguments: int, order: int) -> np.ndarray:
    """The exponents of a polynomial's terms in OpenSim's order: `(terms, arguments)`."""
    every = product(range(order + 1), repeat=arguments)
    return np.array([powers for powers in every if sum(powers) <= order])


class _PolynomialGroup:
    """Polynomials of muscles that cross the same coordinates and so share the terms."""

    def __init__(self, polynomials: Sequence[Polynomial]) -> None:
        self.coordinates = polynomials[0].coordinates
        arguments = len(self.coordinates)
        self.order = max(p.order for p in polynomials)
        self.exponents = exponents(arguments, self.order)
        rows = {tuple(powers): i for i, powers in enumerate(self.exponents.tolist())}
        self.coefficients = np.zeros((len(self.exponents), len(polynomials)))
        for j, polynomial in enumerate(polynomials):
            places = [rows[tuple(e)] for e in exponents(arguments, polynomial.order).tolist()]
            self.coefficients[places, j] = polynomial.coefficients

    def __call__(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lengths `(frames, muscles)` and their derivatives `(arguments, frames, muscles)`.

        Args:
            values: `(frames, arguments)`, radians and metres.
        """
        count = np.arange(self.order + 1)
        powers = values[:, :, None] ** count
        derivatives = np.zeros_like(powers)
        derivatives[..., 1:] = powers[..., :-1] * count[1:]
        arguments = range(values.shape[1])
        terms = [powers[:, i][:, self.exponents[:, i]] for i in arguments]
        lengths = np.prod(terms, axis=0) @ self.coefficients
        slopes = []
        for i in arguments:
            changed = list(terms)
            changed[i] = derivatives[:, i][:, self.exponents[:, i]]
            slopes.append(np.prod(changed, axis=0) @ self.coefficients)
        return lengths, np.array(slopes)


class PolynomialPaths:
    """Muscle paths replaced by polynomials; moment arms are their negative derivatives.

    Muscles without a polynomial or force curves have the model's own paths.

    Args:
        leg: LegModel.
        names: the coordinates whose values will be given, in their order.
        polynomials: of some of the leg's muscles.
        curves: ForceCurves of those muscles, in the same order.
    """

    def __init__(
        self,
        leg: LegModel,
        names: tuple[str, ...],
        polynomials: Sequence[Polynomial],
        curves: ForceCurves,
    ) -> None:
        self.leg = leg
        self._names = names
        self._curves = curves
        self._fitted = [leg.muscles.index(p.muscle) for p in polynomials]
        self._defaults = {
            c: leg.model.getCoordinateSet().get(c).getDefaultValue()
            for p in polynomials
            for c in p.coordinates
        }
        self._bundles = []
        for coordinates in dict.fromkeys(p.coordinates for p in polynomials):
            own = [i for i, p in enumerate(polynomials) if p.coordinates == coordinates]
            self._bundles.append((own, _PolynomialGroup([polynomials[i] for i in own])))
        missing = tuple(m for i, m in enumerate(leg.muscles) if i not in self._fitted)
        self._others = [leg.muscles.index(m) for m in missing]
        self._exact = ExactPaths(replace(leg, muscles=missing), names) if missing else None

    def __call__(self, time: np.ndarray, values: np.ndarray, speeds: np.ndarray) -> MuscleGeometry:
        """The muscles in some frames; see `Paths`."""
        frames, shared = len(time), self.leg.coordinates
        fitted_lengths = np.zeros((frames, len(self._fitted)))
        rates = np.zeros_like(fitted_lengths)
        arms = np.zeros((frames, len(shared), len(self._fitted)))
        for own, bundle in self._bundles:
            angles, moves = (
                np.stack(
                    [self._coordinate_values(x, c, is_position) for c in bundle.coordinates], axis=1
                )
                for x, is_position in ((values, True), (speeds, False))
            )
            fitted_lengths[:, own], slopes = bundle(angles)
            rates[:, own] = np.einsum("afm,fa->fm", slopes, moves)
            for coordinate, slope in zip(bundle.coordinates, slopes, strict=True):
                if coordinate in shared:
                    arms[:, shared.index(coordinate), own] = -slope
        lengths = np.zeros((frames, len(self.leg.muscles)))
        capacity = np.zeros_like(lengths)
        moment_arms = np.zeros((frames, len(shared), len(self.leg.muscles)))
        lengths[:, self._fitted] = fitted_lengths
        capacity[:, self._fitted] = self._curves.capacity(fitted_lengths, rates)
        moment_arms[:, :, self._fitted] = arms
        if self._exact is not None:
            rest = self._exact(time, values, speeds)
            lengths[:, self._others] = rest.lengths
            capacity[:, self._others] = rest.capacity
            moment_arms[:, :, self._others] = rest.moment_arms
        return MuscleGeometry(lengths, moment_arms, capacity)

    def _coordinate_values(
        self, values: np.ndarray, coordinate: str, is_position: bool
    ) -> np.ndarray:
        """A coordinate's column; one that is not given keeps the model's default value."""
        if coordinate in self._names:
            return values[:, self._names.index(coordinate)]
        return np.full(len(values), self._defaults[coordinate] if is_position else 0.0)
