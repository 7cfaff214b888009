"""Run scipy's L-BFGS-B on many independent problems, evaluating their objectives in one batch."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
from scipy.optimize import fmin_l_bfgs_b

# (points (M, D), rows (M,)) -> values (M,), gradients (M, D), all float64 except the rows
Objective = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Ends:
    """The result.

    points: float64 (N, D), the last iterates.  converged: bool (N,), whether scipy's warnflag is 0.
    evaluations: int64 (N,).
    """

    points: np.ndarray
    converged: np.ndarray
    evaluations: np.ndarray


def minimise_each(objective: Objective, start: np.ndarray, **options: Any) -> Ends:
    """Call fmin_l_bfgs_b(..., **options) for each of N problems of D variables. Each takes the same path as alone.

    A network is much faster per image in a batch than image by image. So each problem has its own thread, and when all
    running problems wait for a value, `objective` is called once for all of them.
    start: float64 (N, D).
    """
    asked: SimpleQueue[tuple[int, np.ndarray | None]] = SimpleQueue()
    answers: list[SimpleQueue] = [SimpleQueue() for _ in start]

    def run(row: int) -> tuple[np.ndarray, float, Mapping[str, Any]]:
        def ask(point: np.ndarray) -> tuple[float, np.ndarray]:
            asked.put((row, point.copy()))
            answer = answers[row].get()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        try:
            return fmin_l_bfgs_b(ask, start[row], **options)
        finally:
            asked.put((row, None))

    if len(start) == 0:
        return Ends(start.copy(), np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64))
    with ThreadPoolExecutor(len(start)) as threads:
        futures = [threads.submit(run, row) for row in range(len(start))]
        _answer(objective, asked, answers)
    return _ends([future.result() for future in futures])


def _answer(objective: Objective, asked: SimpleQueue, answers: list[SimpleQueue]) -> None:
    running = len(answers)
    while running:
        waiting: dict[int, np.ndarray] = {}
        while len(waiting) < running:
            row, point = asked.get()
            if point is None:
                running -= 1
            else:
                waiting[row] = point
        if not waiting:
            return
        rows = np.array(sorted(waiting))  # the result must not depend on the order of the threads
        try:
            values, gradients = objective(np.stack([waiting[row] for row in rows]), rows)
        except BaseException as error:  # otherwise the threads would wait forever
            for row in rows:
                answers[row].put(error)
        else:
            for row, value, gradient in zip(rows, values, gradients, strict=True):
                answers[row].put((float(value), gradient))


def _ends(found: list[tuple[np.ndarray, float, Mapping[str, Any]]]) -> Ends:
    return Ends(
        points=np.stack([point for point, _, _ in found]),
        converged=np.array([report["warnflag"] == 0 for _, _, report in found]),
        evaluations=np.array([report["funcalls"] for _, _, report in found], dtype=np.int64),
    )
