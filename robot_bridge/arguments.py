"""The arguments of `spiral-paint`: what they mean, which are refused, and how a painting keeps them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import tyro

from sim.errors import InputError

if TYPE_CHECKING:
    from planner.target import Target
    from robot_bridge.journal import Journal
    from robot_bridge.painter import Settings

STROKES: Final = 20
DREAM_STROKES: Final = 8
OF_STROKES: Final = f"(default: {STROKES}, in a dream {DREAM_STROKES})"
SMALLEST_CANVAS_M: Final = 0.02
LARGEST_CANVAS_M: Final = 2.0
OF_ONE_SITTING: Final = ("resume", "out", "preview", "film", "gui")
"""Settings that are not the painting's own: a resumed painting takes them from its command line."""
MANUAL: Final = """\
Paint a picture with the simulated arm.

Any PNG, JPEG or WebP becomes black line art of 64×64 points: a drawing is fitted into them, of a photo they show the
lines of its centre square, by its luminance. One colour for now. The agent plans strokes, the arm paints some of them,
the camera looks, and the agent plans on from what it sees. With --dream there is no picture: the model paints what it
wants, and the seed decides.

examples:
  spiral-paint examples/cat.png
  spiral-paint photo.jpg --strokes 30 --canvas-size 0.25 --out out/photo
  spiral-paint photo.jpg --preview
  spiral-paint --dream digits --seed 7
  spiral-paint --resume out/photo

Ctrl-C stops softly and lifts the brush, a second Ctrl-C stops at once and holds; Ctrl-Z finishes the stroke, lifts the
brush and waits for fg. What was stopped or killed goes on with --resume.

exit codes: 0 painted; 1 the arm could not do what was asked and holds; 2 bad input or a full disk; 130 interrupted
"""

Metres = Annotated[float, tyro.conf.arg(metavar="METRES")]
Whole = Annotated[int, tyro.conf.arg(metavar="N")]
Name = Annotated[str, tyro.conf.arg(metavar="NAME")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")]


@dataclass
class Args:
    """Settings of a painting."""

    target: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="TARGET", help_behavior_hint="")] = None
    """Picture to paint."""
    dream: Annotated[str | None, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = None
    """Paint what this model wants, instead of a picture: a shipped one such as digits, or a checkpoint file."""
    resume: Folder = None
    """Go on with the painting in this out folder, with its own settings."""
    strokes: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint=OF_STROKES)] = None
    """Strokes at most."""
    model: Name = "line-art"
    """Shipped model, a checkpoint file, or `none` for pure search."""
    feedback_every: Whole = 4
    """Strokes between two looks of the camera."""
    open_loop: bool = False
    """Plan once, paint all of it, look at the end."""
    judge: Literal["error", "discriminator", "both"] = "both"
    """What chooses among proposed continuations and decides when to stop: squared error, discriminator or both."""
    robot: Name = "panda"
    """Arm: panda or xarm6."""
    canvas_size: Metres = 0.2
    """Side of the square paper [m]."""
    canvas_centre: Annotated[
        tuple[float, float, float] | None, tyro.conf.arg(metavar="X Y Z", help_behavior_hint="")
    ] = None
    """Middle of the paper from the arm's base, X ahead, Y left, Z up [m]; by default where the arm reaches best."""
    canvas_tilt: Annotated[float, tyro.conf.arg(metavar="DEGREES")] = 0.0
    """Tilt of the paper, positive lifts its upper edge [°]."""
    brush: Name = "round-20"
    """round-20 paints lines 2 to 20 mm wide, round-8 1 to 8 mm."""
    speed: Annotated[float, tyro.conf.arg(metavar="M/S")] = 0.1
    """Speed of the brush on the paper [m/s]."""
    seed: Whole = 0
    """Of everything random; the same seed paints the same picture."""
    out: Folder = None
    """Folder for pictures, program, film, journal and figures; out/TARGET-TIME by default."""
    preview: bool = False
    """Plan, show the picture and estimate the time; needs no arm and no PyBullet."""
    film: bool = True
    """Film the arm at work; without it painting ends sooner."""
    gui: bool = False
    """Show PyBullet's window, in real time."""


def check(args: Args) -> None:
    """Refuse values that make no sense, before anything is loaded."""
    if sum(what is not None for what in (args.target, args.dream, args.resume)) != 1:
        raise InputError("give either a picture to paint, --dream NAME or --resume FOLDER, and one of them only")
    if args.strokes is not None and args.strokes < 1:
        raise InputError(f"--strokes {args.strokes}: nothing to paint; give 1 or more")
    if args.feedback_every < 1:
        raise InputError(f"--feedback-every {args.feedback_every}: give 1 or more, or --open-loop")
    if not SMALLEST_CANVAS_M <= args.canvas_size <= LARGEST_CANVAS_M:
        raise InputError(
            f"--canvas-size {args.canvas_size:g}: give {SMALLEST_CANVAS_M:g} to {LARGEST_CANVAS_M:g} metres; an A4 "
            "sheet is 0.21 wide"
        )
    if args.canvas_centre is not None and not all(abs(part) <= 5 for part in args.canvas_centre):
        raise InputError("--canvas-centre: give three distances from the arm's base in metres, as in 0.5 0 0.02")
    if not abs(args.canvas_tilt) <= 60:
        raise InputError(f"--canvas-tilt {args.canvas_tilt:g}: give -60 to 60 degrees")
    if not 0.001 <= args.speed <= 1.0:
        raise InputError(f"--speed {args.speed:g}: give 0.001 to 1 metres a second")
    if not 0 <= args.seed < 2**31:
        raise InputError(f"--seed {args.seed}: give a whole number from 0 to {2**31 - 1}")
    if args.dream is not None:
        _check_dream(args)
    if args.judge == "discriminator" and args.model == "none":
        raise InputError("--judge discriminator: --model none has no discriminator; give --judge error or a model")
    if args.gui and not (os.environ.get("DISPLAY") or args.preview):
        raise InputError("--gui: there is no display (DISPLAY is not set); leave it out")
    if args.resume is not None:
        _check_resume(args)


def _check_dream(args: Args) -> None:
    if args.dream == "none":
        raise InputError("--dream none: pure search wants nothing; name a model such as digits")
    for option in ("model", "judge"):
        if getattr(args, option) != getattr(Args, option):
            raise InputError(f"--{option}: a dream has its own model and nothing to choose from; leave it out")


def _check_resume(args: Args) -> None:
    if args.preview:
        raise InputError("--preview: a painting that was begun is resumed with an arm; leave it out")
    for field in fields(Args):
        if field.name not in OF_ONE_SITTING and getattr(args, field.name) != field.default:
            option = field.name.replace("_", "-")
            raise InputError(f"--{option}: a resumed painting keeps its own settings; leave it out")
    if args.out is not None:
        raise InputError("--out: a resumed painting stays in its folder; leave it out")


def strokes_of(args: Args) -> int:
    """Return how many strokes are painted at most."""
    if args.strokes is not None:
        return args.strokes
    return STROKES if args.dream is None else DREAM_STROKES


def model_of(args: Args) -> str:
    """Return the name or the file of the model that plans."""
    return args.model if args.dream is None else args.dream


def settings_of(args: Args) -> Settings:
    """Return the painter's settings."""
    from robot_bridge.painter import Settings
    from robot_bridge.trajectory import Speeds

    every = 0 if args.open_loop else args.feedback_every
    return Settings(strokes_of(args), every, args.judge, args.seed, Speeds(stroke_m_s=args.speed))


def header(args: Args, target: Target | None) -> dict[str, Any]:
    """Return the settings for the journal: all arguments but those of one sitting."""
    kept = {name: value for name, value in asdict(args).items() if name not in OF_ONE_SITTING}
    kept |= {"strokes": strokes_of(args), "model": _lasting(args.model)}
    if target is None:
        return kept | {"dream": _lasting(model_of(args))}
    of_target = {"name": target.name, "target_kind": target.kind, "target_digest": target.digest}
    return kept | {"target": str(args.target)} | of_target


def _lasting(model: str) -> str:
    """Return a model's name, or its file as it is found from any folder."""
    return str(Path(model).absolute()) if Path(model).is_file() else model


def resumed(args: Args, journal: Journal) -> Args:
    """Return the arguments with which a painting was begun.

    Raises:
        InputError: the journal's header does not hold them.
    """
    own = [field.name for field in fields(Args) if field.name not in OF_ONE_SITTING]
    try:
        known = {"dream": None} | journal.header  # paintings that were begun before there were dreams
        kept = {name: known[name] for name in own}
        if kept["canvas_centre"] is not None:
            kept["canvas_centre"] = tuple(kept["canvas_centre"])
        kept["target"] = journal.folder / "target.png" if kept["dream"] is None else None
        begun = replace(args, **kept)
        check(replace(begun, resume=None, out=None))
    except (KeyError, TypeError, InputError) as error:
        raise InputError(f"{journal.folder}: the journal's header is damaged ({error}); paint anew") from None
    return begun
