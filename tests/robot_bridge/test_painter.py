"""The closed loop in a real simulated world: what it tells, what it sees, and what it does when something happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from planner.agent import Agent, Proposal, Verdict
from planner.target import Target
from robot_bridge import events, trajectory
from robot_bridge.arms.pybullet import PyBulletArm, true_calibration
from robot_bridge.choice import Judge
from robot_bridge.kinematics import UnreachableError
from robot_bridge.paint import conduct
from robot_bridge.painter import Executed, Painter, Settings
from robot_bridge.robots.robot import Robot
from robot_bridge.trajectory import Speeds
from sim.brush import BRUSHES
from sim.canvas import blank, paint, render
from sim.errors import InputError
from sim.imperfections import Imperfections
from sim.world import RATE_HZ, World

BRUSH = BRUSHES["round-20"]
EXAMPLES = Path(__file__).parents[2] / "examples"
LINES = np.array(
    [
        [0.15, 0.15, 0.5, 0.10, 0.85, 0.15, 0.05, 1.0, 1.0, 0, 0, 0],
        [0.85, 0.35, 0.6, 0.55, 0.80, 0.85, 0.05, 1.0, 0.6, 0, 0, 0],
        [0.60, 0.85, 0.4, 0.95, 0.15, 0.80, 0.05, 0.6, 1.0, 0, 0, 0],
        [0.15, 0.60, 0.3, 0.45, 0.15, 0.30, 0.05, 1.0, 1.0, 0, 0, 0],
    ]
)
"""Four strokes apart from each other."""


@dataclass
class Studio:
    """A world with a painter in it."""

    world: World
    arm: PyBulletArm
    painter: Painter

    def paint(self, then: Callable[[events.Event], None] = lambda event: None) -> list[events.Event]:
        """Paint to the end and return all events."""
        told = []
        for event in self.painter.paint():
            told.append(event)
            then(event)
        return told


class Planner(Agent):
    """An agent that plans given strokes, in one way to go on or several; the loop may improve them a little."""

    def __init__(self, strokes: np.ndarray, proposals: list[Proposal] | None = None) -> None:
        super().__init__("given", None, None)
        self.strokes = strokes
        self.proposals = proposals

    def propose(self, target: Any, canvas: Any, strokes: int, *unused: Any, **more: Any) -> list[Proposal]:
        """Return the strokes still to come."""
        if self.proposals is not None:
            return list(self.proposals)
        rest = self.strokes[len(self.strokes) - strokes :]
        predicted = canvas.copy()
        paint(predicted, rest)
        return [Proposal(rest, predicted, self.judge(predicted, target))]


def target_of(strokes: np.ndarray) -> Target:
    return Target("given", "exact", render(strokes, 64))


@pytest.fixture
def build() -> Iterator[Callable[..., Studio]]:
    """Yield what makes studios and closes them in the end."""
    worlds: list[World] = []

    def make(
        agent: Agent | None = None,
        target: Target | None = None,
        imperfections: Imperfections | None = None,
        world_class: type[World] = World,
        on_tick: Callable[[World], None] | None = None,
        executed: Executed | None = None,
        paper: np.ndarray | None = None,
        **settings: Any,
    ) -> Studio:
        robot = Robot.load("panda", BRUSH)
        pose = robot.canvas_pose((0.2, 0.2))
        world = world_class(robot.urdf, robot.joint_names, robot.look, BRUSH, pose, imperfections=imperfections)
        worlds.append(world)
        if paper is not None:
            world.lay_paper(np.rint(255 * paper).astype(np.uint8))
        arm = PyBulletArm(world, robot, on_tick, 1 / RATE_HZ)
        settings = {"strokes": len(LINES), "speeds": Speeds(stroke_m_s=0.2)} | settings
        agent, target = agent or Planner(LINES), target or target_of(LINES)
        calibration = true_calibration(world, robot)
        painter = Painter(agent, target, robot, arm, world.look, calibration, Settings(**settings), executed)
        return Studio(world, arm, painter)

    yield make
    for world in worlds:
        world.close()


def names(told: list[events.Event]) -> list[str]:
    """Return the kinds of events, moves left out."""
    return [type(event).__name__ for event in told if not isinstance(event, events.Moved)]


def of_kind(told: list[events.Event], kind: type) -> list[Any]:
    return [event for event in told if isinstance(event, kind)]


def true_grey(world: World, side_px: int = 64) -> np.ndarray:
    """Return the paper itself, not the camera's view of it."""
    grey = world.painting().mean(axis=2)
    step = len(grey) // side_px
    return grey[: step * side_px, : step * side_px].reshape(side_px, step, side_px, step).mean(axis=(1, 3))


def ink(image: np.ndarray) -> float:
    return float(np.mean((1 - image) ** 2))


def test_an_example_is_painted_as_planned_and_seen_as_painted(build: Callable[..., Studio]) -> None:
    target = Target.load(EXAMPLES / "cat.png")
    studio = build(Agent.load("none"), target, strokes=6, feedback_every=3)
    told = studio.paint()
    strokes = np.array(studio.painter.strokes)
    assert len(strokes) == len(of_kind(told, events.StrokeDone)) == 6
    planned = render(strokes, 50)
    assert np.mean((true_grey(studio.world, 50) - planned) ** 2) < 0.05 * ink(planned)
    seen = of_kind(told, events.Observed)[-1].canvas
    meant = render(strokes)
    assert np.mean((seen - meant) ** 2) < 0.05 * ink(meant)
    score = of_kind(told, events.Scored)[-1].verdict
    assert score.error == pytest.approx(np.mean((seen - target.image) ** 2))
    assert score.error < 0.5 * ink(target.image)
    done = of_kind(told, events.StrokeDone)
    assert max(event.cross_track_m.max() for event in done) < 2e-4
    assert max(np.abs(event.depth_error_m).max() for event in done) < 2e-4


def test_events_tell_plan_strokes_look_and_verdict_in_this_order(build: Callable[..., Studio]) -> None:
    told = build(feedback_every=2).paint()
    stroke, look = ["StrokeStarted", "StrokeDone"], ["Observed", "Scored", "Shifted"]
    batch = ["Planned", *stroke, *stroke, *look]
    assert names(told) == [*batch, *batch, "Finished"]
    assert [event.index for event in of_kind(told, events.StrokeDone)] == [0, 1, 2, 3]
    np.testing.assert_array_equal([event.stroke for event in of_kind(told, events.StrokeDone)], LINES)
    assert told[-1].reason == "all strokes are painted"


def test_a_hidden_error_of_the_paper_is_estimated_and_corrected(build: Callable[..., Studio]) -> None:
    shift, turn = (0.003, -0.002), np.radians(1.0)
    hidden = Imperfections(canvas_shift_m=shift, canvas_rotation_rad=turn)
    studio = build(imperfections=hidden, feedback_every=2)
    told = studio.paint()
    found = of_kind(told, events.Shifted)[-1]
    assert found.shift_m == pytest.approx(shift, abs=3e-4)
    assert found.rotation_rad == pytest.approx(turn, abs=np.radians(0.25))
    # The strokes after the first look lie where they were meant to, those before do not.
    side = 100
    paper = true_grey(studio.world, side)
    for indices, share in (((0, 1), (0.2, 2.0)), ((2, 3), (0.0, 0.05))):
        meant = render(LINES[list(indices)], side)
        near = render(LINES[list(indices)] + np.array([0] * 6 + [0.12] + [0] * 5), side) < 0.5
        off = np.sum((paper - meant)[near] ** 2) / np.sum((1 - meant) ** 2)
        assert share[0] <= off <= share[1]


def test_paper_that_is_painted_already_is_refused_before_anything_moves(build: Callable[..., Studio]) -> None:
    paper = np.ones((800, 800, 3))
    paper[300:340, 300:340] = 0.0
    with pytest.raises(InputError, match=r"paper: the camera sees 0\.\d % of it covered or painted"):
        build(paper=paper)


def test_open_loop_plans_once_looks_once_and_corrects_nothing(build: Callable[..., Studio]) -> None:
    studio = build(imperfections=Imperfections(canvas_shift_m=(0.003, 0.0)), feedback_every=0, strokes=4)
    told = studio.paint()
    assert names(told).count("Planned") == names(told).count("Observed") == 1
    assert of_kind(told, events.Shifted)[0].shift_m == pytest.approx((0.003, 0.0), abs=3e-4)
    assert all(event.aim == (0.0, 0.0, 0.0) for event in of_kind(told, events.StrokeDone))


def test_strokes_without_paint_are_named(build: Callable[..., Studio]) -> None:
    # The first two strokes are 0.25 m long together: the paint lasts for them alone.
    told = build(imperfections=Imperfections(paint_length_m=0.27), feedback_every=4).paint()
    assert of_kind(told, events.Unpainted)[-1].indices == (2, 3)


@pytest.mark.parametrize(("judge", "chosen"), [("error", 0), ("discriminator", 1), ("both", 2)])
def test_the_judge_chooses_among_the_ways_to_go_on(build: Callable[..., Studio], judge: Judge, chosen: int) -> None:
    target = target_of(LINES)
    blank_error = ink(target.image)
    canvas = blank(64)
    verdicts = [Verdict(0.1 * blank_error, 0.1), Verdict(0.9 * blank_error, 0.95), Verdict(0.2 * blank_error, 0.9)]
    proposals = [
        Proposal(LINES[index : index + 1], canvas, verdict) for index, verdict in zip((0, 1, 2), verdicts, strict=True)
    ]

    class Judging(Planner):
        discriminator: Any = object()

        def __init__(self) -> None:
            Agent.__init__(self, "given", None, self.discriminator)
            self.proposals = proposals

        def judge(self, canvas: Any, target: Any) -> Verdict:
            return Verdict(float(np.mean((canvas - target) ** 2)), 1.0)

    studio = build(Judging(), target, judge=judge, strokes=1)
    planned = of_kind(studio.paint(), events.Planned)[0]
    # The chosen one was improved further, and so was its verdict.
    assert planned.strokes[0] == pytest.approx(LINES[chosen], abs=0.05)
    assert set(planned.verdicts[1:]) == set(verdicts) - {verdicts[chosen]}


def test_painting_ends_when_more_strokes_would_not_better_it(build: Callable[..., Studio]) -> None:
    # The planner has nothing but the first two strokes to offer, again and again.
    first = LINES[:2]
    proposal = Proposal(first, render(first), Verdict(0.0, 1.0))

    class Repeating(Planner):
        def propose(self, target: Any, canvas: Any, *unused: Any, **more: Any) -> list[Proposal]:
            predicted = canvas.copy()
            paint(predicted, proposal.strokes)
            return [Proposal(first, predicted, self.judge(predicted, target))]

    studio = build(Repeating(first), target_of(first), strokes=6, feedback_every=2)
    told = studio.paint()
    assert len(studio.painter.strokes) == 2
    assert told[-1].reason == "more strokes would not better it"


class StuckWorld(World):
    """A world in which the elbow sticks from half a second on."""

    def servo(self, q: ArrayLike) -> None:
        q = np.array(q, dtype=np.float64)
        if self.time_s > 0.5:
            q[3] = self.stuck_at
        else:
            self.stuck_at = float(self.joint_positions()[3])
        super().servo(q)


def test_a_joint_that_sticks_is_named_and_the_arm_holds(build: Callable[..., Studio]) -> None:
    studio = build(world_class=StuckWorld)
    told = studio.paint()
    fault = told[-1]
    assert isinstance(fault, events.Fault)
    assert "joint panda_joint4 is" in fault.reason
    assert "rad off" in fault.reason
    assert np.abs(studio.world.joint_velocities()).max() < 0.01
    assert "StrokeDone" not in names(told)


def test_an_arm_that_is_not_where_it_was_does_not_move(build: Callable[..., Studio]) -> None:
    studio = build()
    moved_by_hand_s = []

    def push(event: events.Event) -> None:
        if isinstance(event, events.Planned):
            for _ in range(20):
                studio.world.servo(studio.painter.robot.look + 0.02)
            moved_by_hand_s.append(studio.world.time_s)

    told = studio.paint(push)
    assert isinstance(told[-1], events.Fault)
    assert "start state" in told[-1].reason
    assert studio.world.time_s == moved_by_hand_s[0]


def test_paper_that_is_found_out_of_reach_holds_the_arm_with_the_brush_lifted(
    build: Callable[..., Studio], monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = build(feedback_every=2)
    plan = trajectory.plan

    def out_of_reach(strokes: Any, first: int, *more: Any) -> trajectory.Motion:
        if len(strokes) and first == 2:
            raise UnreachableError("stroke 3: out of reach")
        return plan(strokes, first, *more)

    monkeypatch.setattr(trajectory, "plan", out_of_reach)
    told = studio.paint()
    assert isinstance(told[-1], events.Fault)
    assert told[-1].reason.startswith("stroke 3: out of reach; the arm holds, the brush is lifted.")
    assert names(told).count("StrokeDone") == 2
    assert studio.world.tip_depth_m < -0.9 * studio.painter.settings.speeds.clearance_m


class At:
    """Calls once when the brush has been on the paper for some time, and follows the tip from then on."""

    def __init__(self, seconds: float, *calls: Callable[[], None]) -> None:
        self.left = round(seconds * RATE_HZ)
        self.calls = list(calls)
        self.tips: list[np.ndarray] = []

    def __call__(self, world: World) -> None:
        if self.left > 0:
            self.left -= world.tip_depth_m > 0.0005
        elif self.calls:
            self.calls.pop(0)()
            self.left = 12 if self.calls else 0
        if self.left <= 0:
            self.tips.append(np.array([*world.tip_position(), world.tip_depth_m]))


def test_cancel_in_a_stroke_comes_to_rest_and_lifts_along_the_normal(build: Callable[..., Studio]) -> None:
    at = At(0.3, lambda: studio.painter.cancel())
    studio = build(on_tick=at)
    told = studio.paint()
    assert told[-1] == events.Cancelled(lifted=True, cut=0)
    assert "StrokeDone" not in names(told)
    # The part of the stroke that is told is the part that is on the paper.
    part = of_kind(told, events.StrokeCut)[0].stroke
    meant = render(part[None], 100)
    assert 0.01 < 1 - meant.mean() < 0.9 * (1 - render(LINES[:1], 100).mean())
    assert np.mean((true_grey(studio.world, 100) - meant) ** 2) < 0.02 * ink(meant)
    tips = np.array(at.tips)
    lifting = tips[np.flatnonzero(np.diff(tips[:, 3]) < -1e-6)[0] :]
    assert np.linalg.norm(lifting[:, :2] - lifting[0, :2], axis=1).max() < 5e-4
    assert studio.world.tip_depth_m == pytest.approx(-studio.painter.settings.speeds.clearance_m, abs=1e-3)
    # It came to rest within a few millimetres of where it was told to: 0.2 m/s for 0.1 s at most.
    assert np.linalg.norm(lifting[0, :2] - tips[0, :2]) < 0.012
    assert np.abs(studio.world.joint_velocities()).max() < 0.02


def test_a_cancelled_painting_goes_on_from_what_the_camera_sees(build: Callable[..., Studio]) -> None:
    at = At(0.9, lambda: first.painter.cancel())
    first = build(on_tick=at, imperfections=Imperfections(canvas_shift_m=(0.002, 0.0)), feedback_every=1)
    told = first.paint()
    done = of_kind(told, events.StrokeDone)
    assert 0 < len(done) < 4
    aims = np.array([event.aim for event in done])
    executed = Executed(np.array([event.stroke for event in done]), aims, LINES[len(done) :])
    paper = first.world.painting()
    second = build(executed=executed, paper=paper, imperfections=first.world.imperfections, feedback_every=1)
    again = second.paint()
    # It looks before it plans, and believes the paper where the first sitting had found it.
    assert names(again)[:4] == ["Observed", "Scored", "Shifted", "Planned"]
    assert of_kind(again, events.Shifted)[0].shift_m == pytest.approx((0.002, 0.0), abs=3e-4)
    assert [event.index for event in of_kind(again, events.StrokeDone)] == list(range(len(done), 4))
    assert np.array(second.painter.strokes) == pytest.approx(LINES, abs=0.03)
    # All paint of the first sitting, also of the stroke that was cancelled, is still there.
    assert (second.world.painting() <= paper + 0.01).all()


def test_a_stop_holds_with_the_brush_where_it_is(build: Callable[..., Studio]) -> None:
    at = At(0.3, lambda: studio.painter.cancel(), lambda: studio.painter.stop())
    studio = build(on_tick=at)
    told = studio.paint()
    assert told[-1] == events.Cancelled(lifted=False, cut=0)
    assert studio.world.tip_depth_m > 0.0005
    assert np.abs(studio.world.joint_velocities()).max() < 0.01


def test_cancel_before_the_first_stroke_moves_nothing(build: Callable[..., Studio]) -> None:
    studio = build()

    def cancel(event: events.Event) -> None:
        studio.painter.cancel()

    told = studio.paint(cancel)
    assert names(told) == ["Planned", "StrokeStarted", "Cancelled"]
    assert studio.world.time_s == 0.0


def test_a_disk_that_fills_up_lifts_the_brush_before_it_is_told(build: Callable[..., Studio]) -> None:
    studio = build()
    heard: list[events.Event] = []

    class FullDisk:
        journal = None

        def start(self) -> None: ...

        def listen(self, event: events.Event) -> None:
            heard.append(event)
            if "StrokeDone" in names(heard):
                raise InputError("disk full")

    with pytest.raises(InputError, match="disk full"):
        conduct(studio.painter, FullDisk(), lambda event: None)  # type: ignore[arg-type]
    assert heard[-1] == events.Cancelled(lifted=True)
    assert names(heard).count("StrokeDone") == 1
    assert studio.world.tip_depth_m == pytest.approx(-studio.painter.settings.speeds.clearance_m, abs=1e-3)


def test_a_pause_finishes_the_stroke_and_lifts_and_the_painting_goes_on(build: Callable[..., Studio]) -> None:
    at = At(0.2, lambda: studio.painter.pause())
    studio = build(on_tick=at)
    heights = []

    def lifted(event: events.Event) -> None:
        if isinstance(event, events.Paused):
            heights.append(-studio.world.tip_depth_m)

    told = names(studio.paint(lifted))
    assert told[:4] == ["Planned", "StrokeStarted", "StrokeDone", "Paused"]
    assert told[4:8] == ["Observed", "Scored", "Shifted", "Planned"]
    assert told.count("StrokeDone") == 4
    assert heights[0] >= 0.9 * studio.painter.settings.speeds.clearance_m
    assert told[-1] == "Finished"


def test_a_paused_open_loop_painting_goes_on_with_the_rest_of_its_plan(build: Callable[..., Studio]) -> None:
    at = At(0.2, lambda: studio.painter.pause())
    studio = build(on_tick=at, feedback_every=0)
    told = studio.paint()
    assert names(told)[:4] == ["Planned", "StrokeStarted", "StrokeDone", "Paused"]
    assert len(of_kind(told, events.StrokeDone)) == 4
    assert told[-1].reason == "all strokes are painted"


def test_the_same_seed_paints_the_same_picture(build: Callable[..., Studio]) -> None:
    target = Target.load(EXAMPLES / "leaf.png")
    pictures = []
    for _ in range(2):
        studio = build(Agent.load("none"), target, strokes=3, feedback_every=2, seed=5)
        studio.paint()
        pictures.append(studio.world.painting())
    np.testing.assert_array_equal(pictures[0], pictures[1])


def test_the_narrowest_planned_line_leaves_no_gaps() -> None:
    """A line as thin as the planner may ask for is one piece on the simulated paper."""
    import cv2

    from robot_bridge import trajectory
    from robot_bridge.arms.pybullet import PyBulletArm, true_calibration
    from robot_bridge.choice import paintable
    from robot_bridge.kinematics import Kinematics
    from robot_bridge.robots.robot import Robot
    from sim.brush import BRUSHES
    from sim.world import World

    brush = BRUSHES["round-20"]
    robot = Robot.load("panda", brush)
    with World(robot.urdf, robot.joint_names, robot.look, brush, robot.canvas_pose((0.2, 0.2))) as world:
        calibration = true_calibration(world, robot)
        size = paintable(calibration).narrowest
        lines = np.array([[0.2, v, 0.5, v + 0.1, 0.8, v, size, 1, 1, 0, 0, 0] for v in (0.3, 0.6)])
        motion = trajectory.plan(lines, 0, robot, Kinematics(robot), calibration, robot.look)
        with PyBulletArm(world, robot) as arm:
            for segment in motion.segments:
                arm.execute(segment, lambda: False)
        ink = (world.painting()[..., 0] < 0.5).astype(np.uint8)
    assert cv2.connectedComponents(ink)[0] - 1 == 2
