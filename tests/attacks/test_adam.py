import torch

from foolflow.attacks.adam import descend


def quadratic(points, rows):
    centres = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]])[rows]
    return (points - centres).square().sum(1).double(), 2 * (points - centres)


def test_the_points_are_those_of_torch():
    start = torch.zeros(2, 3)
    theirs = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([theirs], lr=0.1)
    for _ in range(30):
        optimizer.zero_grad()
        quadratic(theirs, torch.arange(2))[0].sum().backward()
        optimizer.step()
    assert torch.allclose(descend(quadratic, start, steps=30, learning_rate=0.1), theirs.detach(), atol=1e-5)


def test_it_reaches_the_minima_and_calls_the_objective_once_per_step():
    calls = []

    def counted(points, rows):
        calls.append(rows.tolist())
        return quadratic(points, rows)

    found = descend(counted, torch.zeros(2, 3), steps=300, learning_rate=0.1)
    assert torch.allclose(found, torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]]), atol=1e-2)
    assert calls == [[0, 1]] * 300
