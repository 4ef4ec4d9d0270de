"""SPIRAL's public paint environment: Gymnasium's own checker, its own vectors, and the public code's order of calls."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from planner.vector_environment import ID, PaintEnv, PaintVectorEnv
from sim import canvas
from sim.errors import InputError
from sim.mypaint import OPAQUE, Sheet

MODULE = "planner.vector_environment:"
PAINTS, JUMPS = 1, 0
SETTINGS: dict[str, dict[str, Any]] = {
    "grey": {},
    "colour": {"colour": True, "episode_length": 6},
    "one size, no pressure": {"radii_px": (3,), "pressure": False, "episode_length": 6},
    "targets and noise": {"targets": np.linspace(0, 1, 3 * 64 * 64).reshape(3, 64, 64), "noise": 10},
    "mypaint": {"engine": "mypaint", "colour": True},
}
each_setting = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def action(flag: int, end: tuple[int, int], control: tuple[int, int] = (0, 0), size: int = 2, pressure: int = 9) -> Any:
    """Return an action in grey from cells (row, column)."""
    places = {"control": 32 * control[0] + control[1], "end": 32 * end[0] + end[1]}
    return {
        name: np.int64(index) for name, index in (places | {"flag": flag, "pressure": pressure, "size": size}).items()
    }


def batch_of(*actions: Any) -> Any:
    """Return single actions as one batch."""
    return {name: np.array([one[name] for one in actions]) for name in actions[0]}


def shown(observation: Any) -> np.ndarray:
    """Return the canvas (64, 64) of a grey environment alone."""
    picture: np.ndarray = observation["canvas"][..., 0]
    return picture


@each_setting
def test_gymnasiums_checker_passes(settings: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings(
            "ignore", message=".*Box observation space m.*infinity"
        )  # of the noise, which is normal
        check_env(gymnasium.make(MODULE + ID, **settings).unwrapped)


@each_setting
def test_batches_lie_in_their_spaces_and_equal_gymnasiums_own_vector_of_single_environments(settings: Any) -> None:
    ours = gymnasium.make_vec(MODULE + ID, num_envs=3, **settings)
    theirs = SyncVectorEnv([lambda: PaintEnv(**settings)] * 3, autoreset_mode=AutoresetMode.NEXT_STEP)
    assert ours.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    chance = {"targets", "noise", "engine"} & set(settings)  # drawn from one generator here, from three there
    ours.action_space.seed(0)
    pairs = [(ours.reset(seed=1), theirs.reset(seed=1))]
    for _ in range(45):
        actions = ours.action_space.sample()
        pairs.append((ours.step(actions), theirs.step(actions)))
    for mine, reference in pairs:
        assert ours.observation_space.contains(mine[0])
        for one, other in zip(mine[2:-1], reference[2:-1], strict=True):  # terminations and truncations
            assert np.array_equal(one, other)
        for name in ("episode_step", "episode_length") if chance else mine[0]:
            if name != "action_mask":
                assert np.array_equal(mine[0][name], reference[0][name]), name
        for name, mask in mine[0]["action_mask"].items():
            assert np.array_equal(mask, reference[0]["action_mask"][name])
        assert np.array_equal(mine[-1]["total_strokes"], reference[-1]["total_strokes"])


def test_actions_and_observations_have_the_public_codes_names_order_and_types() -> None:
    env = PaintEnv(colour=True)
    sizes = {name: space.n for name, space in env.action_space.items()}
    assert list(sizes.items()) == [
        ("control", 1024),
        ("end", 1024),
        ("flag", 2),
        ("pressure", 10),
        ("size", 6),
        ("red", 20),
        ("green", 20),
        ("blue", 20),
    ]
    observation, _ = env.reset(seed=0)
    assert list(observation) == ["canvas", "episode_step", "episode_length", "action_mask"]
    assert (observation["canvas"].shape, observation["canvas"].dtype) == ((64, 64, 3), np.float32)
    for name in ("episode_step", "episode_length"):
        assert (observation[name].shape, observation[name].dtype) == ((), np.int32)
    assert list(observation["action_mask"]) == list(sizes)
    assert list(PaintVectorEnv(2).action_space) == ["control", "end", "flag", "pressure", "size"]
    assert PaintEnv().reset()[0]["canvas"].shape == (64, 64, 1)


def test_components_that_the_set_up_fixes_are_dropped_from_action_and_mask() -> None:
    env = PaintEnv(radii_px=[4], pressure=False)
    assert list(env.action_space) == ["control", "end", "flag"]
    assert list(env.reset()[0]["action_mask"]) == ["control", "end", "flag"]
    observation = env.step({"control": np.int64(0), "end": np.int64(1023), "flag": np.int64(PAINTS)})[0]
    expected = canvas.render(np.array([[0, 0, 0, 0, 31 / 32, 31 / 32, 2 * 4 / 64, 1, 1, 0, 0, 0]]))
    assert np.array_equal(shown(observation), expected)


def test_a_jump_uses_end_and_flag_alone_and_an_episode_starts_as_after_a_jump() -> None:
    env = PaintEnv()
    jumped = {"control": 0, "end": 1, "flag": 1, "pressure": 0, "size": 0}
    assert env.reset()[0]["action_mask"] == jumped
    assert env.step(action(PAINTS, (3, 3)))[0]["action_mask"] == dict.fromkeys(jumped, 1)
    observation, *_, infos = env.step(action(JUMPS, (20, 20)))
    assert observation["action_mask"] == jumped
    assert infos == {"total_strokes": 1, "total_disjoint": 1}
    env.step(action(PAINTS, (3, 3)))
    *_, infos = env.step(action(PAINTS, (5, 3)))
    assert infos == {"total_strokes": 3, "total_disjoint": 2}


def test_an_episode_of_length_20_has_19_actions_counted_as_in_the_public_code() -> None:
    env = PaintEnv()
    counted = [int(env.reset()[0]["episode_step"])]
    over = False
    while not over:
        observation, _, over, cut, _ = env.step(action(JUMPS, (1, 1)))
        assert not cut
        assert observation["episode_length"] == 20
        counted.append(int(observation["episode_step"]))
    assert counted == [0, *range(2, 21)]


def test_strokes_begin_where_the_pen_is_and_ramp_from_the_last_pressure_but_not_after_a_jump() -> None:
    env = PaintEnv()
    env.reset()
    env.step(action(PAINTS, (8, 8), (0, 8), size=1, pressure=3))
    env.step(action(PAINTS, (20, 8), (8, 20), size=2, pressure=9))
    env.step(action(JUMPS, (28, 4)))
    observation = env.step(action(PAINTS, (28, 28), (24, 16), size=3, pressure=0))[0]
    # x, y of start, control and end in cells; radius [px]; pressures
    drawn = [(0, 0, 8, 0, 8, 8, 2, 0.4, 0.4), (8, 8, 20, 8, 8, 20, 4, 0.4, 1.0), (4, 28, 16, 24, 28, 28, 8, 0.1, 0.1)]
    strokes = [[*(np.array(row[:6]) / 32), 2 * row[6] / 64, row[7], row[8], 0, 0, 0] for row in drawn]
    assert np.array_equal(shown(observation), canvas.render(np.array(strokes)))


def test_mypaint_is_called_as_the_public_code_calls_it() -> None:
    env = PaintEnv(engine="mypaint", colour=True)
    env.reset(seed=5)
    grain = np.random.Generator(np.random.PCG64(5)).integers(0, 100, 1)[0]
    colour = {"red": np.int64(19), "green": np.int64(0), "blue": np.int64(0)}
    env.step(action(PAINTS, (8, 8), (0, 16), size=2, pressure=3) | colour)
    env.step(action(PAINTS, (20, 8), (8, 20), size=3, pressure=9) | colour)
    env.step(action(JUMPS, (28, 4)) | colour)
    seen = env.step(action(PAINTS, (28, 28), (24, 16), size=1, pressure=5) | colour)[0]["canvas"]

    sheet = Sheet(grain=int(grain))
    call, brush, surface = sheet._library, sheet._brush, sheet._surface

    def stroke_to(x: float, y: float, pressure: float) -> None:
        call.mypaint_brush_stroke_to(brush, surface, x, y, pressure, 0.0, 0.0, 0.1)

    def bezier_to(start: Any, control: Any, end: Any, radius: float, pressures: Any, first: bool) -> None:
        for name, value in ((b"radius_logarithmic", np.log(radius)), (b"color_h", 0), (b"color_s", 1), (b"color_v", 1)):
            call.mypaint_brush_set_base_value(brush, call.mypaint_brush_setting_from_cname(name), value)
        if first:
            stroke_to(*start, pressures[0])
        for step in range(1, 51):
            t = step / 50
            x, y = (
                (1 - t) ** 2 * s + 2 * t * (1 - t) * c + t**2 * e for s, c, e in zip(start, control, end, strict=True)
            )
            stroke_to(x, y, (1 - t) * pressures[0] + t * pressures[1])

    call.mypaint_surface_begin_atomic(surface)
    bezier_to((0, 0), (32, 0), (16, 16), 4, (0.4, 0.4), True)
    bezier_to((16, 16), (40, 16), (16, 40), 8, (0.4, 1.0), False)
    call.mypaint_brush_reset(brush)
    call.mypaint_brush_new_stroke(brush)
    stroke_to(8, 56, 0.0)
    bezier_to((8, 56), (32, 48), (56, 56), 2, (0.6, 0.6), True)
    call.mypaint_surface_end_atomic(surface, None)
    ((_, _, pixels),) = sheet._tiles
    assert (pixels[..., 3] == OPAQUE).all()
    expected = (255 * pixels[..., :3].astype(np.int64) + OPAQUE // 2) // OPAQUE / 255
    assert (expected.reshape(-1, 3) < 0.2).any(axis=0).tolist() == [False, True, True]
    assert seen == pytest.approx(expected, abs=1.5 / 255)


@pytest.mark.parametrize("engine", ["solid", "mypaint"])
def test_equal_seeds_give_equal_episodes_and_a_new_episode_starts_white(engine: str) -> None:
    first, second = (PaintVectorEnv(4, engine=engine, episode_length=5, noise=10) for _ in range(2))
    first.action_space.seed(3)
    actions = [first.action_space.sample() for _ in range(12)]
    first.reset(seed=11)
    second.reset(seed=11)
    for step, chosen in enumerate(actions):
        one, other = first.step(chosen), second.step(chosen)
        assert np.array_equal(one[0]["canvas"], other[0]["canvas"])
        assert np.array_equal(one[0]["noise_sample"], other[0]["noise_sample"])
        assert one[2].all() == (step % 5 == 3)  # four actions, then one that starts anew
        if step % 5 == 4:
            assert (one[0]["canvas"] == 1).all()
    noise = second.reset(seed=12)[0]["noise_sample"]
    assert not np.array_equal(noise, first.reset(seed=13)[0]["noise_sample"])


def test_seeds_decide_mypaints_random_dabs() -> None:
    def painted(seed: int) -> np.ndarray:
        env = PaintEnv(engine="mypaint")
        env.reset(seed=seed)
        return shown(env.step(action(PAINTS, (20, 20), (10, 10)))[0])

    assert np.array_equal(painted(1), painted(1))
    assert not np.array_equal(painted(1), painted(2))


def test_rewards_are_zero_without_targets_and_add_up_to_the_fall_of_the_error_with_them() -> None:
    targets = np.stack([canvas.render(np.array([[0.2, 0.2, 0.5, 0.1, 0.8, 0.8, 0.1, 1, 1, 0, 0, 0]]))])
    plain, env = PaintVectorEnv(8), PaintVectorEnv(8, targets=targets)
    env.action_space.seed(0)
    plain.reset(seed=0)
    env.reset(seed=0)
    earned = np.zeros(8)
    for _ in range(19):
        chosen = env.action_space.sample()
        observation, rewards, over, *_ = env.step(chosen)
        assert not plain.step(chosen)[1].any()
        earned += rewards
    assert over.all()
    last = ((observation["canvas"][..., 0] - targets) ** 2).mean(axis=(1, 2))
    assert earned == pytest.approx(((1 - targets) ** 2).mean() - last, abs=1e-6)
    assert not env.step(chosen)[1].any()


def test_an_episode_is_not_disturbed_by_those_beside_it() -> None:
    env, alone = PaintVectorEnv(2, engine="mypaint", episode_length=9), PaintEnv(engine="mypaint", episode_length=9)
    env.reset(seed=0)
    alone.reset(seed=0)
    rng = np.random.Generator(np.random.PCG64(0))
    first, second = rng.integers(0, 100, 2)
    env._engine.sheets[1].restart(first)  # type: ignore[attr-defined]
    assert second != first
    for step in range(8):
        mine = action(PAINTS, (3 * step, 20), (5, 5))
        batch = env.step(batch_of(action(step % 2, (9, step), (20, 20)), mine))[0]["canvas"]
        assert np.array_equal(batch[1], alone.step(mine)[0]["canvas"])


def test_render_shows_the_canvas_in_colour() -> None:
    for settings in ({}, {"colour": True}):
        (picture,) = PaintVectorEnv(1, render_mode="rgb_array", **settings).render()
        assert (picture.shape, picture.dtype) == ((64, 64, 3), np.uint8)
        assert (picture == 255).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"engine": "oil"}, "solid or mypaint"),
        ({"radii_px": ()}, "radii_px"),
        ({"radii_px": (0, 2)}, "radii_px"),
        ({"episode_length": 1}, "episode_length"),
        ({"noise": -1}, "noise"),
        ({"targets": np.ones((2, 32, 32))}, "(m, 64, 64)"),
        ({"targets": np.ones((2, 64, 64)), "colour": True}, "(m, 64, 64, 3)"),
        ({"targets": np.full((2, 64, 64), 255)}, "[0, 1]"),
    ],
)
def test_a_set_up_that_makes_no_sense_is_refused_in_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as raised:
        PaintEnv(**settings)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"size": np.int64(6)}, "size"), ({"end": np.int64(-1)}, "end"), ({"red": np.int64(0)}, "red")],
)
def test_an_action_outside_its_space_is_refused(change: dict[str, Any], words: str) -> None:
    env = PaintEnv()
    env.reset()
    with pytest.raises(InputError, match=words):
        env.step(action(PAINTS, (3, 3)) | change)
