"""The YAML file of a calibration: human-readable, versioned, exact."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import yaml

from sim import whole_file
from sim.brush import BrushProfile
from sim.errors import InputError

if TYPE_CHECKING:
    from calibration.calibration import Calibration

VERSION: Final = 1
HEADER: Final = "# Calibration of spiral_painter. Metres, radians, pixels; residuals in the unit of their name.\n"

FIELDS: Final = ("version", "robot", "date", "canvas", "camera", "brush")
CANVAS: Final = ("size_m", "T_base_canvas", "residual_mm")
CAMERA: Final = (
    "image_size_px",
    "matrix",
    "distortion",
    "T_base_camera",
    "H_canvas_image",
    "reprojection_rms_px",
    "residual_mm",
)
BRUSH: Final = ("name", "depth_m", "width_m", "length_m", "stiffness_n_per_m", "residual_mm")


def write(path: Path, calibration: Calibration) -> None:
    """Write the calibration, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    text = HEADER + yaml.safe_dump(_to_fields(calibration), sort_keys=False, width=200)
    whole_file.write(path, text)


def read(path: Path, robot: str) -> Calibration:
    """Read a calibration that was measured on `robot`.

    Raises:
        InputError: the file is unreadable, of another version or robot, or a field is missing or wrong.
    """
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); calibrate first or name another file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is no YAML ({reason}); calibrate again or name another file") from None
    try:
        return _from_fields(fields, robot)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _to_fields(calibration: Calibration) -> dict[str, Any]:
    camera, brush = calibration.camera, calibration.brush
    return {
        "version": VERSION,
        "robot": calibration.robot,
        "date": calibration.date,
        "canvas": {
            "size_m": list(calibration.canvas_size_m),
            "T_base_canvas": calibration.T_base_canvas.tolist(),
            "residual_mm": calibration.canvas_residual_mm,
        },
        "camera": camera
        and {
            "image_size_px": list(camera.image_size_px),
            "matrix": camera.matrix.tolist(),
            "distortion": camera.distortion.tolist(),
            "T_base_camera": None if camera.T_base_camera is None else camera.T_base_camera.tolist(),
            "H_canvas_image": camera.H_canvas_image.tolist(),
            "reprojection_rms_px": camera.reprojection_rms_px,
            "residual_mm": camera.residual_mm,
        },
        "brush": {
            "name": brush.name,
            "depth_m": [float(depth) for depth in brush.depth_m],
            "width_m": [float(width) for width in brush.width_m],
            "length_m": float(brush.length_m),
            "stiffness_n_per_m": float(brush.stiffness_n_per_m),
            "residual_mm": calibration.brush_residual_mm,
        },
    }


def _from_fields(fields: object, robot: str) -> Calibration:
    from calibration.calibration import Calibration, Camera

    version = fields.get("version", VERSION) if isinstance(fields, dict) else VERSION
    if version != VERSION:
        raise InputError(f"version: is {version!r}, this program reads {VERSION}; calibrate again")
    top = _mapping(fields, FIELDS, "")
    if top["robot"] != robot:
        raise InputError(f"robot: was measured on {top['robot']!r}, not {robot!r}; calibrate this robot")
    canvas = _mapping(top["canvas"], CANVAS, "canvas.")
    camera = None if top["camera"] is None else Camera(**_mapping(top["camera"], CAMERA, "camera."))
    brush = _mapping(top["brush"], BRUSH, "brush.")
    when = top["date"]
    return Calibration(
        robot=robot,
        date=when.isoformat() if isinstance(when, date) else when,
        T_base_canvas=canvas["T_base_canvas"],
        canvas_size_m=canvas["size_m"],
        brush=_brush(brush),
        camera=camera,
        canvas_residual_mm=canvas["residual_mm"],
        brush_residual_mm=brush["residual_mm"],
    )


def _brush(fields: dict[str, Any]) -> BrushProfile:
    for name in ("depth_m", "width_m", "length_m", "stiffness_n_per_m"):
        rank = 1 if name in ("depth_m", "width_m") else 0
        try:
            good = np.asarray(fields[name]).dtype.kind in "fiu" and np.ndim(fields[name]) == rank
        except ValueError:
            good = False
        if not good:
            raise InputError(f"brush.{name}: must be {'a list of numbers' if rank else 'a number'}")
    return BrushProfile(
        name=str(fields["name"]),
        depth_m=tuple(map(float, fields["depth_m"])),
        width_m=tuple(map(float, fields["width_m"])),
        length_m=float(fields["length_m"]),
        stiffness_n_per_m=float(fields["stiffness_n_per_m"]),
    )


def _mapping(value: object, names: tuple[str, ...], prefix: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{prefix.rstrip('.') or 'the file'}: must hold the fields {', '.join(names)}")
    for name in names:
        if name not in value:
            raise InputError(f"{prefix}{name}: is missing; add it or calibrate again")
    for name in value:
        if name not in names:
            raise InputError(f"{prefix}{name}: is no known field; remove it (known: {', '.join(names)})")
    return value
