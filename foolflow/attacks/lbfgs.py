"""L-BFGS for many independent problems at once, each with its own history, line search and stopping point."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

HISTORY = 10  # steps from which the curvature is estimated
ARMIJO = 1e-4
SHORTEST_STEP = 1e-10
COMPACT_BELOW = 0.75  # fraction of rows still running below which the finished rows are dropped


@dataclass(frozen=True)
class Minimum:
    """The minima. points: (N, D).  values: float64 (N,).  evaluations: int64 (N,), of objective and gradient."""

    points: Tensor
    values: Tensor
    evaluations: Tensor


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    max_evaluations: int,
    value_tolerance: float = 1e-6,
    gradient_tolerance: float = 1e-5,
) -> Minimum:
    """Minimise N functions of D variables (Liu and Nocedal 1989; Nocedal and Wright 2006, algorithms 7.4 and 3.1).

    objective(points (M, D), rows (M,)) returns the values, float64 (M,), and the gradients (M, D) of `rows`.
    start: (N, D).
    A problem ends when a step lowers its value by less than value_tolerance times max(|value|, 1), when no component
    of its gradient exceeds gradient_tolerance, when no step along the gradient lowers its value, or after
    max_evaluations.
    The line search backtracks until the decrease suffices (Armijo), by safeguarded quadratic interpolation.
    """
    count, _ = start.shape
    rows = torch.arange(count, device=start.device)
    final = start.clone()
    values, gradients = objective(start, rows)
    final_values = values.clone()
    evaluations = torch.ones(count, dtype=torch.int64, device=start.device)

    state = _State(rows, start.clone(), values, gradients)
    running = state.gradients.abs().amax(1) > gradient_tolerance
    while True:
        running &= evaluations[state.rows] < max_evaluations
        if not running.any():
            break
        if running.float().mean() < COMPACT_BELOW:
            state.keep(running)
            running = running[running]
        live = running.nonzero().squeeze(1)
        trial = state.points[live] + state.steps[live, None].to(start.dtype) * state.directions[live]
        values, gradients = objective(trial, state.rows[live])
        evaluations[state.rows[live]] += 1

        enough = values <= state.values[live] + ARMIJO * state.steps[live] * state.slopes[live]
        decrease = state.values[live] - values
        small = decrease <= value_tolerance * torch.maximum(state.values[live].abs(), torch.ones_like(values))
        accepted, rejected = live[enough], live[~enough]

        state.accept(accepted, trial[enough], values[enough], gradients[enough])
        final[state.rows[accepted]] = trial[enough]
        final_values[state.rows[accepted]] = values[enough]
        flat = gradients[enough].abs().amax(1) <= gradient_tolerance
        running[accepted] = ~(small[enough] | flat)

        stuck = state.shorten(rejected, values[~enough])
        running[rejected] = ~stuck
    return Minimum(final, final_values, evaluations)


class _State:
    """The state of each problem: its point, its history, and its current search line."""

    def __init__(self, rows: Tensor, points: Tensor, values: Tensor, gradients: Tensor) -> None:
        count, size = points.shape
        self.rows = rows
        self.points = points
        self.values = values
        self.gradients = gradients
        self.moves = points.new_zeros(count, HISTORY, size)
        self.turns = points.new_zeros(count, HISTORY, size)
        self.weights = points.new_zeros(count, HISTORY)  # 1 / (move . turn); 0 where there is no history yet
        self.directions = torch.empty_like(points)
        self.slopes = torch.empty_like(values)
        self.steps = torch.empty_like(values)
        self._set_steepest_descent(torch.arange(count, device=points.device))

    def keep(self, running: Tensor) -> None:
        for name, tensor in vars(self).items():
            setattr(self, name, tensor[running])

    def accept(self, which: Tensor, points: Tensor, values: Tensor, gradients: Tensor) -> None:
        """Move to the points, store the change of the gradient, and start the next line search."""
        if len(which) == 0:
            return
        move, turn = points - self.points[which], gradients - self.gradients[which]
        curvature = (move * turn).sum(1)
        useful = curvature > 1e-8 * move.norm(dim=1) * turn.norm(dim=1)
        self.points[which], self.values[which], self.gradients[which] = points, values, gradients
        kept = which[useful]
        for memory, newest in (
            (self.moves, move[useful]),
            (self.turns, turn[useful]),
            (self.weights, 1 / curvature[useful]),
        ):
            memory[kept] = torch.cat([memory[kept][:, 1:], newest[:, None]], dim=1)
        self._set_two_loop_direction(which)

    def shorten(self, which: Tensor, values: Tensor) -> Tensor:
        """Shorten the step, or switch to steepest descent if it is too short. Return which problems are stuck."""
        step, slope = self.steps[which], self.slopes[which]
        rise = values - self.values[which] - step * slope
        lowest = -slope * step**2 / (2 * rise)
        usable = lowest.isfinite() & (lowest > 0)
        shorter = torch.where(usable, torch.minimum(torch.maximum(lowest, 0.1 * step), 0.5 * step), 0.1 * step)
        self.steps[which] = shorter
        length = shorter * self.directions[which].abs().amax(1)
        hopeless = length < SHORTEST_STEP * self.points[which].abs().amax(1).clamp_min(1)
        without_history = (self.weights[which] == 0).all(1)
        again = which[hopeless & ~without_history]
        if len(again):
            self.weights[again] = 0
            self._set_steepest_descent(again)
        return hopeless & without_history

    def _set_two_loop_direction(self, which: Tensor) -> None:
        moves, turns, weights = self.moves[which], self.turns[which], self.weights[which]
        direction = self.gradients[which].clone()
        history = moves.shape[1]
        shares = [torch.empty(0)] * history
        for age in reversed(range(history)):
            shares[age] = weights[:, age] * (moves[:, age] * direction).sum(1)
            direction -= shares[age][:, None] * turns[:, age]
        newest = turns[:, -1].square().sum(1)
        scale = torch.where(weights[:, -1] > 0, 1 / (weights[:, -1] * newest).clamp_min(1e-30), 1.0)
        direction *= scale[:, None]
        for age in range(history):
            share = shares[age] - weights[:, age] * (turns[:, age] * direction).sum(1)
            direction += share[:, None] * moves[:, age]
        slopes = -(self.gradients[which] * direction).sum(1).double()
        self.directions[which], self.slopes[which], self.steps[which] = -direction, slopes, torch.ones_like(slopes)
        lost = (slopes >= 0) | (weights[:, -1] == 0)
        if lost.any():
            self.weights[which[lost]] = 0
            self._set_steepest_descent(which[lost])

    def _set_steepest_descent(self, which: Tensor) -> None:
        gradients = self.gradients[which]
        squares = gradients.square().sum(1).double()
        self.directions[which], self.slopes[which] = -gradients, -squares
        self.steps[which] = (1 / squares.sqrt().clamp_min(1e-30)).clamp_max(1)
