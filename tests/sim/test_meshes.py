"""The meshes that PyBullet draws instead of its own cylinders and balls."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from sim.meshes import write_smooth

URDF = """<robot name="two"><link name="base_link">
  <visual><origin xyz="0 0 1"/><geometry><cylinder radius="0.1" length="0.5"/></geometry></visual>
  <visual><geometry><sphere radius="0.2"/></geometry></visual>
  <visual><geometry><box size="1 2 3"/></geometry></visual>
  <collision><geometry><cylinder radius="0.1" length="0.5"/></geometry></collision>
</link></robot>"""


@pytest.mark.parametrize(("shape", "volume"), [("cylinder", np.pi), ("sphere", 4 / 3 * np.pi)])
def test_meshes_are_closed_and_nearly_as_large_as_the_shape(shape: str, volume: float, tmp_path: Path) -> None:
    write_smooth(URDF, tmp_path)
    lines = [line.split() for line in (tmp_path / f"{shape}.obj").read_text().splitlines()]
    corners = np.array([line[1:] for line in lines if line[0] == "v"], float).reshape(-1, 3, 3)
    normals = np.array([line[1:] for line in lines if line[0] == "vn"], float).reshape(-1, 3, 3)
    a, b, c = corners.swapaxes(0, 1)
    # The divergence theorem gives the volume only if the surface is closed and all triangles face outwards.
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6 == pytest.approx(volume, rel=0.03)
    assert (np.einsum("ikj,ij->ik", normals, np.cross(b - a, c - a)) >= 0).all()


def test_only_round_visuals_become_meshes(tmp_path: Path) -> None:
    tree = ElementTree.parse(write_smooth(URDF, tmp_path))
    visuals = [geometry[0] for geometry in tree.iterfind("link/visual/geometry")]
    assert [(shape.tag, shape.get("scale")) for shape in visuals] == [
        ("mesh", "0.1 0.1 0.5"),
        ("mesh", "0.2 0.2 0.2"),
        ("box", None),
    ]
    collision = tree.find("link/collision/geometry/cylinder")
    assert collision is not None
