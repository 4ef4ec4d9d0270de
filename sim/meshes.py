"""Smooth meshes for a URDF's cylinders and balls, which PyBullet draws with a handful of corners."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

AROUND: Final = 36
"""Corners around a cylinder or ball."""
RINGS: Final = 16
"""Rings of a ball from pole to pole."""


def write_smooth(urdf: str, folder: Path) -> Path:
    """Write a URDF whose visual cylinders and spheres are meshes, with these meshes beside it; collisions stay.

    Args:
        urdf: XML text.
        folder: an existing folder for the files.

    Returns:
        The path of the written URDF.
    """
    tree = ElementTree.fromstring(urdf)
    for geometry in tree.iterfind("link/visual/geometry"):
        shape = geometry[0]
        radius = shape.get("radius", "1")
        if shape.tag == "cylinder":
            scale = f"{radius} {radius} {shape.get('length')}"
        elif shape.tag == "sphere":
            scale = f"{radius} {radius} {radius}"
        else:
            continue
        geometry.remove(shape)
        ElementTree.SubElement(geometry, "mesh", filename=f"{shape.tag}.obj", scale=scale)
    _write_mesh(folder / "cylinder.obj", *_cylinder())
    _write_mesh(folder / "sphere.obj", *_sphere())
    path = folder / "arm.urdf"
    path.write_text(ElementTree.tostring(tree, encoding="unicode"), encoding="utf-8")
    return path


def _cylinder() -> tuple[Array, Array]:
    """Return corners and normals (n, 3) of the triangles of a cylinder of radius 1 and length 1 about z."""
    angles = np.arange(AROUND + 1) * (2 * np.pi / AROUND)
    rim = np.column_stack([np.cos(angles), np.sin(angles), np.zeros_like(angles)])
    half, axis = np.array([0.0, 0.0, 0.5]), np.array([0.0, 0.0, 1.0])
    a, b = rim[:-1], rim[1:]
    middle = np.zeros_like(a)
    corners = [a - half, b - half, b + half, a - half, b + half, a + half]
    caps = [middle + half, a + half, b + half, middle - half, b - half, a - half]
    normals = [a, b, b, a, b, a, *[middle + axis] * 3, *[middle - axis] * 3]
    return np.stack(corners + caps, axis=1).reshape(-1, 3), np.stack(normals, axis=1).reshape(-1, 3)


def _sphere() -> tuple[Array, Array]:
    """Return corners and normals (n, 3) of the triangles of a ball of radius 1."""
    across, up = np.meshgrid(np.arange(AROUND + 1) * (2 * np.pi / AROUND), np.linspace(-np.pi / 2, np.pi / 2, RINGS))
    grid = np.stack([np.cos(up) * np.cos(across), np.cos(up) * np.sin(across), np.sin(up)], axis=-1)
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1]
    corners = np.stack([a, b, c, a, c, d], axis=2).reshape(-1, 3)
    return corners, corners


def _write_mesh(path: Path, corners: Array, normals: Array) -> None:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in corners]
    lines += [f"vn {x:.6f} {y:.6f} {z:.6f}" for x, y, z in normals]
    lines += [f"f {i}//{i} {i + 1}//{i + 1} {i + 2}//{i + 2}" for i in range(1, len(corners), 3)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
