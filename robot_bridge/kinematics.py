"""Where the brush's tip is for given joints, and which joints bring it to a point with the brush upright on the paper.

The brush is held along the canvas normal and may turn about itself, so five numbers of the tip's pose are prescribed.
An arm with more joints has free directions left. They are settled by a *posture*: a configuration whose null space
fixes the missing equations, (q - posture) · N = 0. That makes the system square, so that Newton's method reaches
numerical accuracy in two or three steps, and it makes the joints a smooth function of the tip's position: the same
point is always painted in the same configuration, whatever came before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack

from sim.errors import InputError

if TYPE_CHECKING:
    from robot_bridge.robots.robot import Robot

Array = NDArray[np.float64]

LAST_STEP_RAD: Final = 1e-5
"""After a Newton step this small the error is of the order of its square, 0.1 nm."""
NEWTON_STEPS: Final = 25
LARGEST_STEP_RAD: Final = 0.4
SEARCH_STEPS: Final = 300
SEARCH_STARTS: Final = 30
DAMPING: Final = 1e-3
COMFORTABLE_MARGIN_RAD: Final = 0.15
"""A posture this far from every joint limit is taken at once; otherwise the search goes on for a better one."""
REMEDY: Final = "move the canvas to where the arm reaches all of it, or make it smaller"


class UnreachableError(InputError):
    """The arm cannot do what is asked; nothing has moved."""

    def __init__(self, reason: str, point: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.point = point
        """Index of the point that is out of reach, when points were asked for."""


class Kinematics:
    """Forward and inverse kinematics of one robot with its brush, on Pinocchio."""

    def __init__(self, robot: Robot) -> None:
        import pinocchio

        self.robot = robot
        self._pinocchio = pinocchio
        full = pinocchio.buildModelFromXML(robot.urdf)
        others = [index for index in range(1, full.njoints) if full.names[index] not in robot.joint_names]
        self._model = pinocchio.buildReducedModel(full, others, pinocchio.neutral(full))
        if tuple(self._model.names)[1:] != tuple(robot.joint_names):
            raise InputError(
                f"robot {robot.name!r}: joint_names must be its URDF's joints from base to flange; "
                f"{list(robot.joint_names)} given, {list(self._model.names)[1:]} found"
            )
        self._data = self._model.createData()
        self._tip, self._flange = (self._model.getFrameId(link) for link in ("brush_tip", "tool0"))
        if max(self._tip, self._flange) >= self._model.nframes:
            raise InputError(f"robot {robot.name!r}: its URDF needs the links tool0 and brush_tip")

    def tip_pose(self, q: ArrayLike) -> Array:
        """Return T_base_tip (4, 4) at the joint positions q (dof,) [rad]."""
        self._pinocchio.framesForwardKinematics(self._model, self._data, np.asarray(q, dtype=np.float64))
        pose: Array = self._data.oMf[self._tip].homogeneous
        return pose

    def tips(self, q: ArrayLike) -> tuple[Array, Array]:
        """Return the tip's positions (m, 3) [m] and the brush's directions (m, 3) in `base_link`, for q (m, dof)."""
        poses = np.array([self.tip_pose(row) for row in np.asarray(q, dtype=np.float64)]).reshape(-1, 4, 4)
        return poses[:, :3, 3], poses[:, :3, 2]

    def lowest_joint_m(self, q: ArrayLike) -> float:
        """Return the height [m] of the lowest joint, the first two left out, or of the flange."""
        self._pinocchio.framesForwardKinematics(self._model, self._data, np.asarray(q, dtype=np.float64))
        joints = [float(placement.translation[2]) for placement in list(self._data.oMi)[3:]]
        return min(*joints, float(self._data.oMf[self._flange].translation[2]))

    def jacobian(self, q: ArrayLike) -> Array:
        """Return the tip's Jacobian (6, dof), linear then angular, in axes parallel to `base_link`."""
        jacobian: Array = self._pinocchio.computeFrameJacobian(
            self._model,
            self._data,
            np.asarray(q, dtype=np.float64),
            self._tip,
            self._pinocchio.LOCAL_WORLD_ALIGNED,
        )
        return jacobian

    def posture(self, point: ArrayLike, normal: ArrayLike, near: ArrayLike | None = None) -> Array:
        """Return the joints (dof,) that hold the brush upright on a point, as near to a configuration as can be.

        Args:
            point: (3,) position of the tip in `base_link` [m].
            normal: (3,) unit normal out of the paper in `base_link`.
            near: (dof,) configuration to stay near to, the robot's home by default.

        Raises:
            UnreachableError: no configuration within the joint limits was found.
        """
        point, axis = np.asarray(point, float), -np.asarray(normal, float)
        near = self.robot.home if near is None else np.asarray(near, float)
        lower, upper = self.robot.lower, self.robot.upper
        random = np.random.default_rng(0)
        best, best_margin, nearest = None, 0.0, np.full(5, np.inf)
        for attempt in range(SEARCH_STARTS):
            start = near if attempt == 0 else random.uniform(lower, upper)
            q, miss = self._search(start, near, point, axis)
            nearest = min(nearest, miss, key=_largest)
            margin = float(np.minimum(q - lower, upper - q).min())
            if _largest(miss) < 1e-7 and margin > best_margin:
                best, best_margin = q, margin
                if margin >= COMFORTABLE_MARGIN_RAD:
                    break
        if best is None:
            raise UnreachableError(_missed(nearest))
        return best

    def follow(self, points: ArrayLike, normal: ArrayLike, start: ArrayLike, guess: ArrayLike | None = None) -> Array:
        """Return the joints (m, dof) that bring the tip to each point with the brush along the canvas normal.

        Args:
            points: (m, 3) positions of the tip in `base_link` [m], each near to the one before.
            normal: (3,) unit normal out of the paper in `base_link`.
            start: (dof,) posture that settles the free directions.
            guess: (dof,) configuration near the first point's, `start` by default.

        Raises:
            UnreachableError: a point is out of reach or outside the joint limits; `point` is its index.
        """
        points, axis = np.asarray(points, float), -np.asarray(normal, float)
        start = np.asarray(start, float)
        system = np.zeros((len(start), len(start)))
        system[5:] = self._free_directions(start)
        found = np.empty((len(points), len(start)))
        q = start if guess is None else np.asarray(guess, float)
        for index, point in enumerate(points):
            if index >= 2:
                before, last = points[index - 1] - points[index - 2], point - points[index - 1]
                # Along a smooth path the step before tells most of this one.
                q = q + (q - found[index - 2]) * min(1.0, np.sqrt(last @ last / max(before @ before, 1e-18)))
            q = self._newton(q, start, system, point, axis, index)
            found[index] = q
        outside = (found < self.robot.lower - 1e-9) | (found > self.robot.upper + 1e-9)
        if outside.any():
            index, joint = np.argwhere(outside)[0]
            raise UnreachableError(
                f"{self.robot.joint_names[joint]} would be at {found[index, joint]:.3f} rad, outside its limits "
                f"{self.robot.lower[joint]:.3f} to {self.robot.upper[joint]:.3f} rad; {REMEDY}",
                int(index),
            )
        return found

    def _error(self, q: Array, point: Array, axis: Array) -> tuple[Array, Array]:
        """Return the five-dimensional error (5,) and its Jacobian (5, dof), both in the tip's own axes."""
        # Computing the Jacobian does not bring the frame's own placement up to date.
        self._pinocchio.framesForwardKinematics(self._model, self._data, q)
        pose = self._data.oMf[self._tip]
        jacobian = self._pinocchio.computeFrameJacobian(self._model, self._data, q, self._tip)
        x, y, z = (axis @ pose.rotation).tolist()
        sine = math.hypot(x, y)
        # The turn about the tip's x and y that lays its z on the axis; exactly opposite, any turn will do.
        if sine > 1e-12:
            scale = math.atan2(sine, z) / sine
            turn = (-y * scale, x * scale)
        else:
            turn = (0.0, 0.0) if z > 0 else (math.pi, 0.0)
        return np.array((*pose.actInv(point).tolist(), *turn)), jacobian[:5]

    def _newton(self, q: Array, posture: Array, system: Array, point: Array, axis: Array, index: int) -> Array:
        """Solve the square system from q; `system` holds the posture's rows and takes the Jacobian's."""
        right = np.empty(len(q))
        nearest, smallest = right[:5], np.inf
        for _ in range(NEWTON_STEPS):
            error, system[:5] = self._error(q, point, axis)
            right[:5] = error
            right[5:] = system[5:] @ (posture - q)
            if (miss := _largest(error)) < smallest:
                nearest, smallest = error, miss
            # numpy's own solve spends twice the time of this in checking its arguments.
            _, _, step, singular = lapack.dgesv(system, right)
            if singular:
                break
            size = _largest(step)
            q = q + step * min(1.0, LARGEST_STEP_RAD / max(size, 1e-12))
            if size < LAST_STEP_RAD:
                return q
        raise UnreachableError(_missed(nearest), index)

    def _free_directions(self, q: Array) -> Array:
        """Return an orthonormal basis (dof - 5, dof) of the motions that leave tip and brush axis where they are."""
        _, jacobian = self._error(q, np.zeros(3), np.array([0.0, 0.0, 1.0]))
        basis: Array = np.linalg.svd(jacobian)[2][5:]
        return basis

    def _search(self, q: Array, near: Array, point: Array, axis: Array) -> tuple[Array, Array]:
        """Descend to the pose with the free directions drawn to `near`, within the limits; return q and the error."""
        error, jacobian = self._error(q, point, axis)
        for _ in range(SEARCH_STEPS):
            damping = DAMPING * min(1.0, float(error @ error))
            inverse = jacobian.T @ np.linalg.inv(jacobian @ jacobian.T + damping * np.eye(5))
            free = (near - q) - np.linalg.pinv(jacobian) @ (jacobian @ (near - q))
            step = inverse @ error + 0.5 * free
            step *= min(1.0, LARGEST_STEP_RAD / max(np.abs(step).max(), 1e-12))
            q = np.clip(q + step, self.robot.lower, self.robot.upper)
            error, jacobian = self._error(q, point, axis)
            if np.abs(step).max() < 1e-9:
                break
        return q, error


def _missed(error: Array) -> str:
    """Return what is wrong with a pose whose error (5,) stays, and what to do."""
    away, tilt = float(np.linalg.norm(error[:3])), math.degrees(math.hypot(*error[3:]))
    return f"the brush comes no nearer than {1e3 * away:.1f} mm and {tilt:.1f}° of tilt; {REMEDY}"


def _largest(values: NDArray[np.floating]) -> float:
    return max(map(abs, values.tolist()))
