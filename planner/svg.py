"""Stroke programs as SVG: millimetres and drawn paths for plotters, the exact columns beside them for us."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

import numpy as np

from sim.errors import InputError
from sim.stroke import COLOUR, COLUMNS, CONTROL, END, PRESSURE_END, PRESSURE_START, SIZE, START, Array

NAMESPACE: Final = "http://www.w3.org/2000/svg"
ATTRIBUTES: Final = tuple(f"data-{column.replace('_', '-')}" for column in COLUMNS)


def write(strokes: Array, aspect: float, width_mm: float, metadata: str) -> str:
    """Return an SVG drawing, one path a stroke, in painting order.

    A path is as wide as the stroke's mean painted width: SVG has no tapered lines.

    Args:
        strokes: (n, 12) strokes.
        aspect: Width over height of the canvas.
        width_mm: Width of the canvas [mm], positive.
        metadata: Text for the metadata element.

    Raises:
        InputError: the width is not positive.
    """
    if not 0 < width_mm < 1e6:
        raise InputError(f"width_mm: is {width_mm:g}, must be the canvas's width in millimetres")
    height_mm = width_mm / aspect
    side_mm = max(width_mm, height_mm)
    root = ElementTree.Element(
        "svg",
        xmlns=NAMESPACE,
        width=f"{width_mm:.6g}mm",
        height=f"{height_mm:.6g}mm",
        viewBox=f"0 0 {width_mm:.6g} {height_mm:.6g}",
    )
    ElementTree.SubElement(root, "metadata").text = metadata
    group = ElementTree.SubElement(root, "g", {"fill": "none", "stroke-linecap": "round"})
    for stroke in strokes:
        points = np.concatenate([stroke[START], stroke[CONTROL], stroke[END]]) * side_mm
        width = stroke[SIZE] * (stroke[PRESSURE_START] + stroke[PRESSURE_END]) / 2 * side_mm
        red, green, blue = np.rint(stroke[COLOUR] * 255).astype(int)
        drawn = {
            "d": "M {:.4f} {:.4f} Q {:.4f} {:.4f} {:.4f} {:.4f}".format(*points),
            "stroke": f"#{red:02x}{green:02x}{blue:02x}",
            "stroke-width": f"{width:.4f}",
        }
        exact = zip(ATTRIBUTES, map(repr, stroke.tolist()), strict=True)
        ElementTree.SubElement(group, "path", drawn | dict(exact))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def read(text: str) -> tuple[str, list[list[float]]]:
    """Return the metadata and the exact columns of each stroke of an SVG drawing that `write` gave.

    Raises:
        InputError: no SVG, no metadata, or a path without a column.
    """
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"is no whole SVG file ({error}); write the program again") from None
    if root.tag != f"{{{NAMESPACE}}}svg":
        raise InputError(f"is no SVG file but <{root.tag}>; name a stroke program")
    metadata = root.findtext(f"{{{NAMESPACE}}}metadata")
    if not metadata:
        raise InputError("metadata: is missing; only drawings that spiral_painter wrote can be read")
    rows = []
    for index, path in enumerate(root.iter(f"{{{NAMESPACE}}}path")):
        row = []
        for attribute in ATTRIBUTES:
            try:
                row.append(float(path.attrib[attribute]))
            except (KeyError, ValueError):
                shown = repr(path.get(attribute))
                raise InputError(f"{attribute}: is {shown} in stroke {index + 1}, must be a number") from None
        rows.append(row)
    return metadata, rows
