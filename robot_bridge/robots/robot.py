"""The one description of an arm with its brush, which kinematics and simulation share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml
from numpy.typing import NDArray

from sim.brush import BrushProfile
from sim.errors import InputError

Array = NDArray[np.float64]

_FOLDER = resources.files("robot_bridge.robots")
_VECTORS = ("acceleration", "jerk", "home", "look")


def available() -> tuple[str, ...]:
    """Return the names of the arms that can be loaded, sorted."""
    return tuple(sorted(f.name.removesuffix(".yaml") for f in _FOLDER.iterdir() if f.name.endswith(".yaml")))


@dataclass(frozen=True, eq=False)
class Robot:
    """An arm with a brush on its flange. All arrays are float64, one entry a joint, in the order of `joint_names`."""

    name: str
    """Name by which a command selects the arm."""
    urdf: str
    """URDF as XML text: root `base_link`, flange `tool0`, and the brush as fixed links `brush` and `brush_tip`.

    The brush's axis is z of `tool0`; `brush_tip` is where the undeformed brush ends.
    """
    joint_names: tuple[str, ...]
    """The moving joints, from the base to the flange."""
    home: Array
    """Joint positions with the brush above the paper [rad]."""
    look: Array
    """Joint positions in which the arm hides nothing of the paper from a camera above [rad]."""
    lower: Array
    """Lower position limits [rad]."""
    upper: Array
    """Upper position limits [rad]."""
    velocity: Array
    """Velocity limits [rad/s]."""
    acceleration: Array
    """Acceleration limits [rad/s^2]."""
    jerk: Array
    """Jerk limits [rad/s^3]."""
    canvas_centre_m: Array
    """(3,) where the middle of the paper lies by default, in `base_link` [m]."""

    @classmethod
    def load(cls, name: str, brush: BrushProfile) -> Robot:
        """Load an arm and put a brush on its flange.

        Args:
            name: one of `available()`.
            brush: the brush to mount.

        Raises:
            InputError: no arm of that name.
        """
        if name not in available():
            raise InputError(f"no robot {name!r}: choose one of {', '.join(available())}")
        settings: dict[str, Any] = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text("utf-8"))
        tree = ElementTree.fromstring((_FOLDER / settings["urdf"]).read_text("utf-8"))
        joints = tuple(settings["joints"])
        limits = {joint.get("name"): joint.find("limit") for joint in tree.iter("joint")}
        lower, upper, velocity = (
            np.array([float(_attribute(limits[j], key)) for j in joints]) for key in ("lower", "upper", "velocity")
        )
        vectors = {key: np.array(settings[key], dtype=np.float64) for key in _VECTORS}
        _add_brush(tree, brush)
        return cls(
            name=name,
            urdf=ElementTree.tostring(tree, encoding="unicode"),
            joint_names=joints,
            lower=lower,
            upper=upper,
            velocity=velocity,
            canvas_centre_m=np.array(settings["canvas_centre_m"], dtype=np.float64),
            **vectors,
        )

    def canvas_pose(self, size_m: tuple[float, float], tilt_rad: float = 0.0) -> Array:
        """Return where a sheet of paper lies by default in front of this arm.

        The sheet is upright for somebody who stands across the table and faces the arm: x of `canvas` is y of
        `base_link`, and y points towards the arm.

        Args:
            size_m: width and height of the paper [m].
            tilt_rad: rotation about the canvas's x through its middle; positive lifts the upper edge [rad]. The middle
                rises so that no edge sinks below the default height.

        Returns:
            (4, 4) T_base_canvas.
        """
        x = np.array([0.0, 1.0, 0.0])
        y = np.array([-math.cos(tilt_rad), 0.0, math.sin(tilt_rad)])
        centre = self.canvas_centre_m + [0.0, 0.0, size_m[1] / 2 * abs(math.sin(tilt_rad))]
        pose = np.eye(4)
        pose[:3, :3] = np.column_stack([x, y, np.cross(x, y)])
        pose[:3, 3] = centre - size_m[0] / 2 * x - size_m[1] / 2 * y
        return pose


def _attribute(limit: ElementTree.Element | None, key: str) -> str:
    value = None if limit is None else limit.get(key)
    if value is None:
        raise ValueError(f"the URDF has no limit {key!r} for a joint that its YAML names")
    return value


def _add_brush(tree: ElementTree.Element, brush: BrushProfile) -> None:
    """Append the links `brush` (clamp, handle, ferrule) and `brush_tip` (bristles) to the flange `tool0`."""
    length = brush.length_m
    ferrule, bristle = 0.42 * brush.max_width_m + 0.001, 0.4 * brush.max_width_m
    hair = min(0.03, 0.25 * length)
    metal = min(0.025, 0.2 * length)
    clamp = min(0.02, 0.2 * length)
    body = ElementTree.SubElement(tree, "link", name="brush")
    _inertial(body, 0.05, length / 2)
    for start, end, radius, rgb in (
        (0.0, clamp, 0.024, "0.2 0.21 0.23"),
        (length - hair - metal, length - hair, ferrule, "0.78 0.74 0.62"),
        (clamp, length - hair - metal, 0.0075, "0.62 0.12 0.1"),
    ):
        _shape(body, "visual", (start + end) / 2, f'<cylinder radius="{radius}" length="{end - start}"/>', rgb)
    collision = f'<cylinder radius="0.01" length="{length - hair}"/>'
    _shape(body, "collision", (length - hair) / 2, collision)

    tip = ElementTree.SubElement(tree, "link", name="brush_tip")
    _inertial(tip, 0.005, 0.0)
    rings = 6
    for ring in range(rings):
        # Bristles swell a little below the ferrule and then run to a point.
        s = (ring + 0.5) / rings
        radius = bristle * (1.0 + 0.25 * math.sin(math.pi * min(1.0, 1.6 * s))) * math.sqrt(1.0 - s**2)
        _shape(
            tip, "visual", -hair * (1.0 - s), f'<cylinder radius="{radius}" length="{hair / rings}"/>', "0.13 0.1 0.08"
        )
    # A small ball whose lowest point is the tip: depth is then measured at the origin of the link.
    _shape(tip, "collision", -0.001, '<sphere radius="0.001"/>')
    _fix(tree, "brush_mount", "tool0", "brush", 0.0)
    _fix(tree, "brush_tip_mount", "brush", "brush_tip", length)


def _inertial(link: ElementTree.Element, mass: float, z: float) -> None:
    inertial = ElementTree.SubElement(link, "inertial")
    ElementTree.SubElement(inertial, "origin", xyz=f"0 0 {z}", rpy="0 0 0")
    ElementTree.SubElement(inertial, "mass", value=str(mass))
    moment = str(mass * 1e-3)
    ElementTree.SubElement(inertial, "inertia", ixx=moment, iyy=moment, izz=moment, ixy="0", ixz="0", iyz="0")


def _shape(link: ElementTree.Element, kind: str, z: float, geometry: str, rgb: str | None = None) -> None:
    shape = ElementTree.SubElement(link, kind)
    ElementTree.SubElement(shape, "origin", xyz=f"0 0 {z}", rpy="0 0 0")
    ElementTree.SubElement(shape, "geometry").append(ElementTree.fromstring(geometry))
    if rgb is not None:
        material = ElementTree.SubElement(shape, "material", name=f"brush_{rgb.replace(' ', '_')}")
        ElementTree.SubElement(material, "color", rgba=f"{rgb} 1")


def _fix(tree: ElementTree.Element, name: str, parent: str, child: str, z: float) -> None:
    joint = ElementTree.SubElement(tree, "joint", name=name, type="fixed")
    ElementTree.SubElement(joint, "parent", link=parent)
    ElementTree.SubElement(joint, "child", link=child)
    ElementTree.SubElement(joint, "origin", xyz=f"0 0 {z}", rpy="0 0 0")
