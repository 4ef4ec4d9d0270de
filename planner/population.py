"""Population-based training by Ray Tune: members learn side by side, and the worst take over from the best.

Jaderberg et al. 2017, Population Based Training of Neural Networks; SPIRAL tunes the learning rate and the entropy cost
so (Ganin et al. 2018, section 3.3). A member of the worst quarter goes on from the networks of one of the best quarter,
with both settings times 1.2 or 0.8.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tqdm import tqdm

from planner.beginning import begin
from planner.cluster import connect
from planner.datasets import Source
from planner.options import words_of
from planner.schedule import total
from planner.training import Run
from planner.training_state import State
from planner.validation import validate
from sim.errors import InputError

if TYPE_CHECKING:
    from planner.train import Args

FOLDER: Final = "population"
SPREAD: Final = 3.0
"""Members begin with the given settings times or by up to this."""
FACTORS: Final = (1.2, 0.8)
TUNED: Final = ("learning_rate", "entropy_cost")
LIVES: Final = 3
"""Times that a member may be lost and go on from its last checkpoint."""


class Member:
    """One of the population: a run with settings of its own."""

    def __init__(
        self, args: Args, sets: dict[str, Source], held: dict[str, Source], settings: Mapping[str, Any]
    ) -> None:
        """Begin a run in the folder `args.out`, with `settings` of `TUNED`."""
        torch.set_num_threads(1)
        self.given, self.held = args, held
        args = replace(args, **settings)
        self.run = Run(args, begin(args), sets, None)
        self.error = math.nan

    def step(self) -> dict[str, float]:
        """Learn until the next comparison; return the score, which is to rise, and the update.

        Of a conditional policy it is the mean error on the pictures held out, negative; of an unconditional one its
        reward.
        """
        state, end = self.run.state, total(self.given)
        rewards = [0.0]
        for _ in range(min(self.given.population_updates, end - state.update)):
            rewards.append(self.run.update().get("policy/reward", 0.0))
        score = float(np.mean(rewards[1:] or rewards))
        if state.policy.kind.conditional:
            score = -float(np.mean(list(validate(state, self.held, self.run.args.out).values())))
        return {"score": score, "update": state.update}

    def save(self, folder: Path) -> None:
        """Write a checkpoint."""
        self.run.keep(folder)

    def take(self, folder: Path, settings: Mapping[str, Any], number: int) -> None:
        """Go on from a checkpoint, of its own or of a better one, with these settings and with other random numbers."""
        state = self.run.state
        state.go_on(folder)
        seed = int(np.random.SeedSequence((self.given.seed, number, state.update)).generate_state(1)[0])
        torch.manual_seed(seed)
        state.rng, state.acting = np.random.default_rng(seed), None
        self.run.args = replace(self.given, **settings, seed=seed)
        state.history.append({"update": state.update, "words": words_of(self.run.args)})
        self.run.source.close()
        self.run.source = self.run.actors()


def trainable() -> type:
    """Return what Ray Tune trains."""
    from ray import tune

    class SpiralMember(tune.Trainable):
        """A `Member` as Ray Tune knows it."""

        def setup(self, config: dict[str, Any], args: Any = None, sets: Any = None, held: Any = None) -> None:
            self.number = int(self.trial_id.rpartition("_")[2])
            out = Path(self.logdir) / "run"
            out.mkdir(parents=True, exist_ok=True)
            own = replace(args, out=out, seed=args.seed + self.number)
            self.tuned = {name: config[name] for name in TUNED}
            self.member = Member(own, sets, held, self.tuned)

        def step(self) -> dict[str, Any]:
            result = self.member.step()
            return result | {"done": result["update"] >= total(self.member.given)}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            self.member.save(Path(checkpoint_dir))

        def load_checkpoint(self, checkpoint: Any) -> None:
            self.member.take(Path(checkpoint), self.tuned, self.number)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.tuned = {name: new_config[name] for name in TUNED}
            return True

    return SpiralMember


def train_population(args: Args, sets: dict[str, Source], held: dict[str, Source]) -> tuple[State, dict[str, float]]:
    """Train `args.population` members and return the best one's state, kept in `args.out`, and its errors.

    Raises:
        InputError: The cluster does not answer, or a member failed.
        KeyboardInterrupt: It was stopped; the same call goes on.
    """
    # No tables and no files for each result: `Told` says it in a line.
    os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
    warnings.filterwarnings("ignore", module="ray.tune")
    ray = connect(args.cluster or "local", os.cpu_count() or 1, (*sets.values(), *held.values()))
    try:
        results = fit(args, sets, held)
    finally:
        ray.shutdown()
    failed = [result.error for result in results if result.error]
    if failed:
        raise InputError(f"a member of the population failed: {str(failed[0]).strip().splitlines()[-1]}")
    if any((result.metrics or {}).get("update", 0) < total(args) for result in results):
        raise KeyboardInterrupt
    best = results.get_best_result("score", "max")
    state = begin(replace(args, **{name: best.config[name] for name in TUNED}))
    state.go_on(Path(best.checkpoint.path))
    state.keep(args.out)
    return state, validate(state, held, args.out)


def fit(args: Args, sets: dict[str, Source], held: dict[str, Source]) -> Any:
    """Let Ray Tune train the members, or go on with it."""
    from ray import tune

    class Told(tune.Callback):
        """Prints a line for each comparison."""

        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any) -> None:
            settings = ", ".join(f"{name.replace('_', ' ')} {trial.config[name]:.2e}" for name in TUNED)
            number = int(trial.trial_id.rpartition("_")[2])
            tqdm.write(f"member {number}: update {result['update']}, score {result['score']:.4f}, {settings}")
            sys.stdout.flush()

    space = {name: tune.loguniform(getattr(args, name) / SPREAD, getattr(args, name) * SPREAD) for name in TUNED}
    exploring = tune.schedulers.PopulationBasedTraining(
        time_attr="update",
        perturbation_interval=args.population_updates,
        hyperparam_mutations=space,
        resample_probability=0.0,
        perturbation_factors=FACTORS,
    )
    works = tune.with_parameters(trainable(), args=args, sets=dict(sets), held=dict(held))
    works = tune.with_resources(works, {"cpu": 1})
    folder = args.out.resolve() / FOLDER
    if tune.Tuner.can_restore(str(folder)):
        return tune.Tuner.restore(str(folder), works, resume_errored=True, param_space=space).fit()
    settings = tune.TuneConfig(
        metric="score", mode="max", scheduler=exploring, num_samples=args.population, reuse_actors=False
    )
    kept = tune.CheckpointConfig(num_to_keep=4, checkpoint_frequency=1, checkpoint_at_end=True)
    run = tune.RunConfig(
        name=FOLDER,
        storage_path=str(folder.parent),
        verbose=0,
        checkpoint_config=kept,
        failure_config=tune.FailureConfig(max_failures=LIVES),
        callbacks=[Told()],
    )
    return tune.Tuner(works, param_space=space, tune_config=settings, run_config=run).fit()
