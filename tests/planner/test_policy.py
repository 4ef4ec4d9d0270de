"""Every policy behind the one interface: sizes, probabilities, masks, noise, and inputs at the extremes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from planner.actions import COLOURS, COMPONENTS, FLAG, JUMP, PAINT
from planner.policy import NOISE, WIDTH, Decoded, Kind, Memory, Policy, View, build, new_critic

KINDS = [Kind(*choice) for choice in itertools.product(("lean", "paper"), (True, False), (False, True))]  # type: ignore[arg-type]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


def fresh(kind: Kind) -> Policy:
    torch.manual_seed(0)
    return build(kind).eval()


def pictures(kind: Kind, count: int) -> Tensor:
    return torch.rand(count, 64, 64, 3) if kind.colour else torch.rand(count, 64, 64)


def start(policy: Policy, count: int) -> Tensor:
    before = torch.zeros(count, len(policy.components), dtype=torch.long)
    before[:, FLAG] = -1
    return before


def corners(count: int) -> Tensor:
    """Return the location at the top left for each of so many pens."""
    return torch.zeros(count, dtype=torch.long)


def step(policy: Policy, canvas: Tensor, target: Tensor | None, noise: Tensor | None = None) -> tuple[View, Memory]:
    view = policy.look(canvas, target)
    count = len(canvas)
    left = torch.full((count,), 8)
    return view, policy.remember(view, start(policy, count), left, policy.initial_memory(count, noise))


def decoded(policy: Policy, count: int = 3, times: int = 1, **more: object) -> Decoded:
    target = pictures(policy.kind, count) if policy.kind.conditional else None
    view, memory = step(policy, pictures(policy.kind, count), target, torch.randn(count, NOISE))
    state = memory.hidden.repeat_interleave(times, dim=0)
    free = {"may_jump": torch.ones(len(state), dtype=torch.bool), "allowed": torch.ones(len(state), 6, 10).bool()}
    return policy.decode(state, view, corners(len(state)), **(free | more))  # type: ignore[arg-type]


def linear(inputs: int, outputs: int) -> int:
    return (inputs + 1) * outputs


def convolution(inputs: int, outputs: int, side: int) -> int:
    return (inputs * side**2 + 1) * outputs


def parameters_of_the_papers_net(kind: Kind) -> int:
    """Count them layer by layer, after the public code's sizes and not after our own module."""
    colours = 3 if kind.colour else 1
    stack = convolution(32, 32, 3) * 8 + convolution(32, 32, 1) * 8
    three = linear(64, 32) + linear(32, 32)
    others = [2, 6, 10] + ([20, 20, 20] if kind.colour else [])
    count = convolution(colours * (2 if kind.conditional else 1) + 2, 32, 5)
    count += 2 * linear(2, 16) + sum(linear(size, 16) for size in others)
    count += linear(16 * (2 + len(others)), 64) + three
    count += 0 if kind.conditional else linear(10, 64) + three
    count += 3 * convolution(32, 32, 4) + convolution(32, 32, 3) + stack + linear(8 * 8 * 32, 256)
    count += 4 * (256 * 256 + 256 * 256 + 2 * 256)  # torch keeps two biases for each gate
    count += sum(linear(256, size) for size in others)
    count += 2 * (convolution(16, 32, 3) + stack + 3 * convolution(32, 32, 4) + convolution(32, 1, 3))
    embedded = [2, 2, *others][:-1]  # the last component's choice is followed by none
    count += sum(linear(size, 16) + linear(272, 16) + linear(16, 32) + linear(32, 256) for size in embedded)
    return count + linear(256, 1)


@every_kind
def test_each_net_has_as_many_parameters_as_its_layers_need(kind: Kind) -> None:
    if kind.net == "paper":
        expected = parameters_of_the_papers_net(kind)
    else:
        sizes = [2, 1024, 1024, 6, 10] + ([20, 20, 20] if kind.colour else [])
        expected = convolution(8 if kind.colour else 4, 32, 4) + convolution(32, 32, 3) + convolution(32, 64, 4)
        expected += 4 * convolution(64, 64, 3) + linear(4096, 256) + convolution(64, 32, 1) + convolution(32, 128, 1)
        expected += sum(size * (256 + 128) for size in sizes) + linear(2, 256) + 4 * (2 * 256 * 256 + 2 * 256)
        expected += sum(linear(256, size) for size in sizes if size != 1024) + 2 * linear(256, 32) + 32 * 1024
        expected += len(sizes) * (linear(384, 128) + linear(128, 256)) + linear(256, 1)
        glimpsed = (6 if kind.colour else 2) * 11**2
        expected += linear(glimpsed + 4 + 256, 256) + linear(256, 256) + linear(256, 4 * 4) + 1
        expected += 0 if kind.conditional else linear(NOISE, 256)
    assert sum(parameter.numel() for parameter in build(kind).parameters()) == expected


@every_kind
def test_every_head_gives_a_logit_for_each_choice(kind: Kind) -> None:
    policy = fresh(kind)
    assert list(policy.components) == [*COMPONENTS, *(COLOURS if kind.colour else {})]
    view, memory = step(policy, pictures(kind, 2), pictures(kind, 2) if kind.conditional else None)
    assert len(view.features) == len(view.keys) == 2
    assert [tuple(part.shape) for part in memory] == [(2, WIDTH), (2, WIDTH), (2, NOISE)]
    assert policy.value(memory.hidden).shape == (2,)
    assert (policy.value(memory.hidden) == 0).all(), "the critic begins at zero"
    for name, size in policy.components.items():
        chosen = [corners(2), corners(2), torch.tensor([500, 0])]
        assert policy.logits(name, memory.hidden, view, chosen).shape == (2, size)


@every_kind
def test_the_probability_of_given_actions_is_that_of_sampling_them(kind: Kind) -> None:
    policy = fresh(kind)
    target = pictures(kind, 2) if kind.conditional else None
    view, memory = step(policy, pictures(kind, 2), target, torch.randn(2, NOISE))
    state = memory.hidden.repeat_interleave(5, dim=0)
    may_jump, allowed = torch.arange(10) % 2 == 0, torch.rand(10, 6, 10) < 0.5
    allowed[:, 2, 3] = True
    sampled = policy.decode(state, view, corners(10), may_jump, allowed)
    again = policy.decode(state, view, corners(10), may_jump, allowed, given=sampled.actions)
    assert torch.equal(sampled.actions, again.actions)
    assert torch.allclose(sampled.log_probability, again.log_probability)
    assert torch.allclose(sampled.entropy, again.entropy)
    for column, size in enumerate(policy.components.values()):
        assert 0 <= sampled.actions[:, column].min() <= sampled.actions[:, column].max() < size


class Small(Policy):
    """A policy of few choices, to go through all of them."""

    def __init__(self) -> None:
        super().__init__(Kind())
        self.components = {"flag": 2, "end": 3, "control": 3, "size": 6, "pressure": 10, "red": 2}
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, size) for name, size in self.components.items()})
        self.embed = nn.ModuleDict({name: nn.Embedding(size, WIDTH) for name, size in self.components.items()})
        self.critic = new_critic()

    def look(self, canvas: Tensor, target: Tensor | None) -> View:
        raise NotImplementedError

    def remember(self, view: View, before: Tensor, left: Tensor, memory: Memory) -> Memory:
        raise NotImplementedError

    def logits(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        found: Tensor = self.heads[name](state)
        return found

    def follow(self, name: str, state: Tensor, view: View, stroke: Sequence[Tensor]) -> Tensor:
        followed: Tensor = state + self.embed[name](stroke[-1])
        return followed


def test_the_probabilities_of_all_actions_sum_to_one_and_their_surprise_to_the_entropy() -> None:
    torch.manual_seed(0)
    policy = Small().double()
    jumps = [[JUMP, end, 0, 0, 0, 0] for end in range(3)]
    paints = [list(action) for action in itertools.product([PAINT], range(3), range(3), range(6), range(10), range(2))]
    actions = torch.tensor(jumps + paints)
    state = torch.randn(1, WIDTH).double().expand(len(actions), -1)
    allowed = (torch.rand(6, 10) < 0.4).expand(len(actions), -1, -1)
    for may_jump in (True, False):
        found = policy.decode(
            state,
            View(state, state, state),
            corners(len(state)),
            torch.full((len(actions),), may_jump),
            allowed,
            given=actions,
        )
        probability = found.log_probability.exp()
        assert float(probability.sum().detach()) == pytest.approx(1)
        assert float(probability[:3].sum().detach()) == pytest.approx(0, abs=0) or may_jump
        forbidden = ~allowed[0][actions[:, 3], actions[:, 4]] & (actions[:, FLAG] == PAINT)
        assert forbidden.any()
        assert (probability[forbidden] == 0).all()
        # What is reported for an action is the entropy along its way; its mean over all actions is the whole entropy.
        surprise = -(probability * found.log_probability.clamp(min=-700)).sum()
        assert float((probability * found.entropy).sum().detach()) == pytest.approx(float(surprise.detach()))


@every_kind
def test_a_jump_has_the_probability_of_its_flag_and_its_end_alone(kind: Kind) -> None:
    policy = fresh(kind)
    view, memory = step(policy, pictures(kind, 1), pictures(kind, 1) if kind.conditional else None)
    given = torch.zeros(2, len(policy.components), dtype=torch.long)
    given[:, :2] = torch.tensor([JUMP, 700])
    given[1, 2:] = torch.tensor([900, 5, 9, 19, 19, 19][: given.shape[1] - 2])
    free = torch.ones(2, dtype=torch.bool), torch.ones(2, 6, 10, dtype=torch.bool)
    found = policy.decode(memory.hidden.expand(2, -1), view, corners(2), *free, given=given)
    flag = torch.log_softmax(policy.logits("flag", memory.hidden, view, [corners(len(memory.hidden))]), dim=1)
    state = policy.follow("flag", memory.hidden, view, [corners(1), torch.tensor([JUMP])])
    end = torch.log_softmax(policy.logits("end", state, view, [corners(1), torch.tensor([JUMP])]), dim=1)
    assert torch.allclose(found.log_probability, (flag[0, JUMP] + end[0, 700]).expand(2))
    assert torch.allclose(found.entropy, -((flag.exp() * flag).sum() + (end.exp() * end).sum()).expand(2))


@every_kind
def test_sampling_keeps_to_what_is_allowed_and_leaves_the_rest_of_a_jump_at_zero(kind: Kind) -> None:
    policy = fresh(kind)
    allowed = torch.rand(6, 10) < 0.2
    allowed[1, 1] = True
    widths = allowed.expand(150, -1, -1)
    for greedy in (False, True):
        found = decoded(policy, 3, 50, allowed=widths, may_jump=torch.arange(150) % 2 == 0, greedy=greedy)
        jumped = found.actions[:, FLAG] == JUMP
        assert not jumped[1::2].any()
        assert (found.actions[jumped][:, 2:] == 0).all()
        painted = found.actions[~jumped]
        assert allowed[painted[:, 3], painted[:, 4]].all()


@every_kind
def test_noise_decides_what_an_unconditional_policy_does_and_nothing_of_a_conditional_one(kind: Kind) -> None:
    policy = fresh(kind)
    canvas, target = pictures(kind, 1), pictures(kind, 1) if kind.conditional else None
    first, second = (step(policy, canvas, target, torch.randn(1, NOISE))[1].hidden for _ in range(2))
    none = step(policy, canvas, target)[1].hidden
    assert torch.equal(first, second) == kind.conditional
    assert torch.equal(first, none) == kind.conditional


@every_kind
def test_what_is_seen_and_what_was_done_reach_the_memory(kind: Kind) -> None:
    policy = fresh(kind)
    canvas, target = pictures(kind, 1), pictures(kind, 1) if kind.conditional else None
    view, memory = step(policy, canvas, target)
    assert not torch.equal(memory.hidden, step(policy, pictures(kind, 1), target)[1].hidden)
    if kind.conditional:
        assert not torch.equal(memory.hidden, step(policy, canvas, pictures(kind, 1))[1].hidden)

    def after(*action: int) -> Tensor:
        before = torch.zeros(1, len(policy.components), dtype=torch.long)
        before[0, : len(action)] = torch.tensor(action)
        return policy.remember(view, before, torch.tensor([7]), memory).hidden

    assert not torch.equal(after(PAINT, 5, 6), after(PAINT, 5, 7))
    assert not torch.equal(after(JUMP, 5), after(JUMP, 6))
    assert torch.equal(after(JUMP, 5, 6, 1, 2), after(JUMP, 5, 7, 3, 4)), "a jump has no control, size or pressure"


@every_kind
def test_greedy_decoding_draws_nothing_and_takes_the_likeliest(kind: Kind) -> None:
    policy = fresh(kind)
    canvas, target = pictures(kind, 2), pictures(kind, 2) if kind.conditional else None
    view, memory = step(policy, canvas, target)
    free = torch.ones(2, dtype=torch.bool), torch.ones(2, 6, 10, dtype=torch.bool)
    state = torch.get_rng_state()
    once = policy.decode(memory.hidden, view, corners(len(memory.hidden)), *free, greedy=True)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    twice = policy.decode(memory.hidden, view, corners(len(memory.hidden)), *free, greedy=True)
    assert torch.equal(once.actions, twice.actions)
    assert torch.equal(
        once.actions[:, FLAG], policy.logits("flag", memory.hidden, view, [corners(len(memory.hidden))]).argmax(dim=1)
    )
    cold = policy.decode(memory.hidden, view, corners(len(memory.hidden)), *free, temperature=1e-7)
    assert torch.equal(cold.actions, once.actions), "sampling at no temperature is greedy"


@every_kind
def test_a_view_can_be_decoded_many_times(kind: Kind) -> None:
    policy = fresh(kind)
    target = pictures(kind, 2) if kind.conditional else None
    view, memory = step(policy, pictures(kind, 2), target)
    free = torch.ones(6, dtype=torch.bool), torch.ones(6, 6, 10, dtype=torch.bool)
    given = torch.zeros(6, len(policy.components), dtype=torch.long)
    given[:, 1], given[:, 2] = torch.arange(6) * 150, torch.arange(6) * 140
    owner = torch.arange(2).repeat_interleave(3)
    shared = policy.decode(memory.hidden[owner], view, corners(6), *free, given=given)
    own = policy.decode(memory.hidden[owner], View(*(part[owner] for part in view)), corners(6), *free, given=given)
    assert torch.allclose(shared.log_probability, own.log_probability, atol=1e-5)


@every_kind
@pytest.mark.parametrize("weight", [0.0, 1.0, 3.0])
def test_nothing_becomes_nan_at_the_extremes(kind: Kind, weight: float) -> None:
    """White and black canvases, weights far too large or none, one allowed width: values and slopes stay finite."""
    policy = fresh(kind).train()
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(weight)
    shape = (3, 64, 64, 3) if kind.colour else (3, 64, 64)
    canvas = torch.ones(shape)
    canvas[1] = 0
    target = 1 - canvas if kind.conditional else None
    view, memory = step(policy, canvas, target, torch.tensor([0.0, 1e3, -1e3])[:, None].expand(3, NOISE))
    only = torch.zeros(3, 6, 10, dtype=torch.bool)
    only[:, 0, 9] = True
    found = policy.decode(memory.hidden, view, corners(3), torch.zeros(3, dtype=torch.bool), only)
    assert (found.actions[:, 3:5] == torch.tensor([0, 9])).all()
    for numbers in (found.log_probability, found.entropy, policy.value(memory.hidden), *memory):
        assert torch.isfinite(numbers).all()
    (found.log_probability.sum() + found.entropy.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in policy.parameters() if p.grad is not None)


@pytest.mark.parametrize("net", ["lean", "paper"])
def test_a_policy_learns_to_do_what_it_is_told(net: str) -> None:
    """Imitating one action from noise, a few updates make it the likeliest."""
    policy = fresh(Kind(net, conditional=False)).train()  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(policy.parameters(), 1e-3)
    lesson = torch.tensor([[PAINT, 333, 444, 2, 7]]).expand(4, -1)
    free = torch.ones(4, dtype=torch.bool), torch.ones(4, 6, 10, dtype=torch.bool)
    for _ in range(30):
        view, memory = step(policy, torch.ones(4, 64, 64), None, torch.randn(4, NOISE))
        loss = -policy.decode(
            memory.hidden, view, corners(len(memory.hidden)), *free, given=lesson
        ).log_probability.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    view, memory = step(policy, torch.ones(4, 64, 64), None, torch.randn(4, NOISE))
    assert torch.equal(
        policy.decode(memory.hidden, view, corners(len(memory.hidden)), *free, greedy=True).actions, lesson
    )


def test_an_unconditional_lean_net_can_begin_at_a_conditional_one() -> None:
    conditional, unconditional = fresh(Kind()), build(Kind(conditional=False)).eval()
    missing, unexpected = unconditional.load_state_dict(conditional.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("noise.") for name in missing)
    canvas = pictures(Kind(), 2)
    assert torch.equal(unconditional.look(canvas, None).keys, conditional.look(canvas, torch.ones(2, 64, 64)).keys)


def test_a_net_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="no such net: wide"):
        build(Kind("wide"))  # type: ignore[arg-type]
