"""An accelerated model computes what it computes otherwise."""

import copy
from threading import Event, Thread

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import foolflow
from foolflow.compute import acceleration
from foolflow.compute.acceleration import accelerated
from foolflow.data.splits import Split
from tests.saving import run_attack


def with_statistics(model):
    """Give every BatchNorm other statistics, scales and offsets than those of a new one."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
    return model.eval().requires_grad_(False)


def network(*, bias=True, affine=True):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=bias),
        nn.BatchNorm2d(8, affine=affine),
        nn.ReLU(),
        nn.Conv2d(8, 4, 3, stride=2, groups=2, padding=1, padding_mode="reflect", bias=bias),
        nn.BatchNorm2d(4, affine=affine),
        nn.Flatten(),
        nn.Linear(4 * 25, 16, bias=bias),
        nn.BatchNorm1d(16, affine=affine),
        nn.ReLU(),
        nn.Linear(16, 10),
    )


SHAPE = (3, 10, 10)


def folded_in(model, shape=SHAPE):
    """Return the BatchNorms that are folded."""
    with accelerated(model, shape):
        replaced = acceleration._here.forwards
        return [module for module in model.modules() if replaced.get(module) is acceleration._unchanged]


def logits_and_gradient(model, images):
    inputs = images.clone().requires_grad_()
    logits = model(inputs)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, torch.arange(len(images)) % 10), inputs)
    return logits.detach(), gradient


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_logits_and_gradients_are_those_of_the_model(bias, affine, layout):
    model = with_statistics(network(bias=bias, affine=affine)).to(memory_format=layout)
    images = torch.rand(7, *SHAPE)
    before, state = logits_and_gradient(model, images), copy.deepcopy(model.state_dict())
    with accelerated(model, SHAPE):
        replaced = dict(acceleration._here.forwards)
        with accelerated(model, SHAPE):  # nothing is left to fold
            assert acceleration._here.forwards == replaced
        assert acceleration._here.forwards == replaced
        inside = logits_and_gradient(model, images)
    for one, other in zip(before, inside, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)
    assert not torch.equal(before[0], inside[0])
    assert len(folded_in(model)) == 3
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not any("forward" in vars(module) for module in model.modules())
    assert torch.equal(logits_and_gradient(model, images)[0], before[0])


class Written(nn.Module):
    """A network with one convolution and one BatchNorm, whose forward pass is written as the test likes."""

    def __init__(self, passes):
        super().__init__()
        self.convolution = nn.Conv2d(3, 30, 3, padding=1)
        self.norm = nn.BatchNorm2d(30)
        self.output = nn.Linear(30, 10)
        self.passes = passes

    def forward(self, images):
        return self.output(self.passes(self, images).mean((2, 3)))


def added(model, images):
    features = model.convolution(images)
    return model.norm(features) + features


def seen_without_gradient(model, images):
    features = model.convolution(images)
    return model.norm(features) + features.detach().mean()


def changed_in_place(model, images):
    return model.norm(model.convolution(images).relu_())


def run_twice(model, images):
    return model.norm(model.convolution(images)) + model.convolution(images.flip(3))


def by_keyword(model, images):
    return model.norm(input=model.convolution(input=images))


@pytest.mark.parametrize(
    ("passes", "folds"),
    [(added, 0), (seen_without_gradient, 0), (changed_in_place, 0), (run_twice, 0), (by_keyword, 1)],
)
def test_a_batchnorm_is_folded_only_if_it_alone_receives_the_output(passes, folds):
    model = with_statistics(Written(passes))
    images = torch.rand(5, *SHAPE)
    before = model(images)
    assert len(folded_in(model)) == folds
    with accelerated(model, SHAPE):
        assert torch.allclose(model(images), before, rtol=1e-4, atol=1e-6)


def seen_outside_of_the_graph(model, images):
    """The folded output would change the gate, but no edge of the graph shows it."""
    features = model.convolution(images)
    return model.norm(features) * features.detach().sigmoid()


def with_a_hook_on_the_output(model, images):
    features = model.convolution(images)
    if features.requires_grad:
        features.register_hook(lambda gradient: gradient.clamp(-1e-4, 1e-4))
    return model.norm(features)


def with_random_numbers(model, images):
    return functional.dropout(model.norm(model.convolution(images)), 0.2, training=True)


def patched_in_each_pass(model, images):
    layer = model.convolution
    layer.forward = lambda inputs: functional.conv2d(inputs, layer.weight.abs(), layer.bias, padding=1)
    features = layer(images)
    del layer.forward
    return model.norm(features)


def masked(logits):
    return torch.cat([logits, logits.new_full((len(logits), 1), -1e9)], 1)


@pytest.mark.parametrize("output", [lambda z: z, masked, lambda z: z + 3e4], ids=["plain", "masked", "offset"])
@pytest.mark.parametrize(
    "passes", [seen_outside_of_the_graph, with_a_hook_on_the_output, with_random_numbers, patched_in_each_pass]
)
def test_nothing_is_folded_that_changes_logits_or_gradients(passes, output):
    model = with_statistics(Written(passes))
    model.output.register_forward_hook(lambda module, inputs, logits: output(logits))
    images = torch.rand(5, *SHAPE)

    def found():
        torch.manual_seed(0)
        return logits_and_gradient(model, images)

    before = found()
    assert folded_in(model) == []
    with accelerated(model, SHAPE):
        inside = found()
    assert all(torch.equal(one, other) for one, other in zip(before, inside, strict=True))
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("output", [masked, lambda z: z + 3e4, lambda z: 1e-6 * z, lambda z: z.softmax(1)])
def test_correct_folds_are_kept_whatever_the_logits_share(output):
    model = with_statistics(Written(by_keyword))
    model.output.register_forward_hook(lambda module, inputs, logits: output(logits))
    assert folded_in(model) == [model.norm]


def in_training_mode(model):
    model.norm.train()


def without_statistics(model):
    model.norm.running_mean = model.norm.running_var = None


def watched(model):
    model.convolution.register_forward_hook(lambda *_: None)


def parametrised(model):
    nn.utils.parametrizations.weight_norm(model.convolution)


def patched(model):
    model.norm.forward = lambda images: images


def failing(model):
    model.passes = lambda *_: 1 / 0


def not_finite(model):
    model.output.weight.data.fill_(torch.inf)


@pytest.mark.parametrize(
    "change",
    [in_training_mode, without_statistics, watched, parametrised, patched, failing, not_finite],
    ids=lambda change: change.__name__,
)
def test_a_model_that_may_do_more_is_left_alone(change):
    model = with_statistics(Written(by_keyword))
    change(model)
    assert folded_in(model) == []


def test_residual_networks_are_folded_completely():
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    model, images = torchvision.models.resnet18(num_classes=10), torch.rand(8, 3, 32, 32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for _ in range(20):  # until its logits differ more between images than by rounding
        optimizer.zero_grad()
        functional.cross_entropy(model(images), torch.arange(8)).backward()
        optimizer.step()
    model.eval().requires_grad_(False)
    before = model(images)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert folded_in(model, (3, 32, 32)) == norms
    with accelerated(model, (3, 32, 32)):
        assert (model(images) - before).abs().max() <= 1e-5 * before.abs().max()


def test_models_that_return_tuples_and_dicts_are_folded():
    inner = with_statistics(network())

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            return {"logits": (self.inner(images), images)}

    assert len(folded_in(Wrapped().eval())) == 3


def test_another_thread_sees_the_model_as_it_is():
    model = with_statistics(network())
    images = torch.rand(4, *SHAPE)
    before = model(images)
    entered, done = Event(), Event()

    def other():
        with accelerated(model, SHAPE):
            entered.set()
            done.wait()

    thread = Thread(target=other)
    thread.start()
    entered.wait()
    try:
        assert torch.equal(model(images), before)
        assert len(folded_in(model)) == 3
        assert torch.equal(model(images), before)
    finally:
        done.set()
        thread.join()
    assert not any("forward" in vars(module) for module in model.modules())


def test_the_model_is_restored_after_an_error():
    model = with_statistics(network())
    with pytest.raises(RuntimeError, match="inside"), accelerated(model, SHAPE):
        raise RuntimeError("inside")
    assert not any("forward" in vars(module) for module in model.modules())
    assert not acceleration._here.forwards


def test_nothing_is_drawn_from_the_callers_generator():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    model = network().eval()
    torch.manual_seed(3)
    with accelerated(model, SHAPE):
        assert torch.equal(torch.rand(2), expected)


@settings(max_examples=30)
@given(
    inputs=st.integers(1, 2),
    outputs=st.integers(20, 24),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 1)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    count=st.integers(0, 3),
    layout=st.sampled_from([torch.channels_last, torch.contiguous_format]),
)
def test_gradients_of_narrow_convolutions(inputs, outputs, kernel, stride, padding, dilation, count, layout):
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation).double().requires_grad_(False)
    layer = layer.to(memory_format=layout)
    images = torch.rand(count, inputs, 9, 8, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    output = layer(images)
    weights = torch.randn(output.shape, dtype=torch.float64)
    (expected,) = torch.autograd.grad((weights * output).sum(), images)
    with accelerated(layer, (inputs, 9, 8)):
        found = layer(images)
        assert torch.equal(found, output)
        (gradient,) = torch.autograd.grad((weights * found).sum(), images)
    assert torch.allclose(gradient, expected, rtol=1e-10, atol=1e-12)


def test_a_gradient_in_parts_is_that_of_the_whole(monkeypatch):
    monkeypatch.setattr(acceleration, "VALUES_AT_ONCE", 1)
    layer = nn.Conv2d(1, 4, 3).requires_grad_(False)
    images = torch.rand(5, 1, 8, 8, requires_grad=True)
    (expected,) = torch.autograd.grad(layer(images).square().sum(), images)
    with accelerated(layer, (1, 8, 8)):
        (gradient,) = torch.autograd.grad(layer(images).square().sum(), images)
    assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_ensembles_that_are_vectorised_with_vmap():
    members = nn.ModuleList(nn.Sequential(nn.Conv2d(1, 32, 3), nn.Flatten(), nn.Linear(1152, 3)) for _ in range(3))
    members.eval().requires_grad_(False)

    class Ensemble(nn.Module):
        def __init__(self):
            super().__init__()
            self.members = members

        def forward(self, images):
            state = torch.func.stack_module_state(list(self.members))
            call = torch.func.functional_call
            return torch.func.vmap(lambda *state: call(self.members[0], state, (images,)))(*state).mean(0)

    model, images = Ensemble().eval(), torch.rand(3, 1, 8, 8)
    before = logits_and_gradient(model, images.clone())
    with accelerated(model, (1, 8, 8)):
        inside = logits_and_gradient(model, images.clone())
    for one, other in zip(before, inside, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoints(reentrant):
    inner = with_statistics(network())

    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner

        def forward(self, images):
            return torch.utils.checkpoint.checkpoint(self.inner, images, use_reentrant=reentrant)

    model, images = Checkpointed().eval(), torch.rand(5, *SHAPE)
    with accelerated(model, SHAPE):
        inputs = images.clone().requires_grad_()
        functional.cross_entropy(model(inputs), torch.arange(5)).backward()
    assert torch.allclose(inputs.grad, logits_and_gradient(inner, images)[1], rtol=1e-4, atol=1e-7)


def test_compiled_models_are_left_alone():
    model = with_statistics(network())
    compiled = torch.compile(model, backend="eager")
    with accelerated(compiled, SHAPE):
        assert not any("forward" in vars(module) for module in model.modules())


def test_blocks_inside_do_not_try_a_model_again():
    passes = []

    def counted(model, images):
        passes.append(len(images))
        return seen_outside_of_the_graph(model, images)

    model = with_statistics(Written(counted))
    with accelerated(model, SHAPE):
        count = len(passes)
        with accelerated(model, SHAPE):
            pass
    assert len(passes) == count == 2


def test_random_numbers_of_other_threads_are_not_rewound():
    """If a trial set the global generator back, another thread would draw the same numbers twice."""
    drawn = []

    def draws(model, images):
        thread = Thread(target=lambda: drawn.append(torch.rand(1).item()))
        thread.start()
        thread.join()
        return by_keyword(model, images)

    model = with_statistics(Written(draws))
    with accelerated(model, SHAPE):
        drawn.append(torch.rand(1).item())
    assert len(drawn) >= 3
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_in_reduced_precision_are_left_to_pytorch(dtype):
    layer = nn.Conv2d(1, 4, 3).requires_grad_(False).to(dtype)
    images = torch.rand(2, 1, 8, 8).to(dtype).requires_grad_()

    def gradient():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.float32):
            return torch.autograd.grad(layer(images).float().square().sum(), images)[0]

    expected = gradient()
    with accelerated(layer, (1, 8, 8)):
        assert torch.equal(gradient(), expected)


def test_second_derivatives_and_gradients_of_weights_still_exist():
    layer = nn.Conv2d(1, 4, 3)
    images = torch.rand(2, 1, 8, 8, requires_grad=True)
    with accelerated(layer, (1, 8, 8)):
        layer(images).sum().backward()
        assert layer.weight.grad is not None
        layer.requires_grad_(False)
        (gradient,) = torch.autograd.grad(layer(images).square().sum(), images, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), images)
    assert second.abs().sum() > 0


def test_the_workflow_attacks_the_accelerated_victim():
    class Noticed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.folded = with_statistics(network()), set()

        def forward(self, images):
            self.folded.add(len(acceleration._here.forwards))
            return self.inner(images)

    victim = Noticed().eval()
    images = (255 * torch.rand(6, *SHAPE)).to(torch.uint8)
    labels = victim(images.float() / 255).argmax(1)
    split = Split(images.numpy(), labels.numpy(), tuple("0123456789"))
    victim.folded.clear()
    entry = {"method": "pgd", "parameters": {"epsilon": 0.1, "steps": 5}}
    made = run_attack(victim, split, entry, torch.device("cpu"))
    assert 7 in victim.folded  # three layers and their BatchNorms, and the last layer
    plain = foolflow.attacks.pgd(victim, images.float() / 255, labels, epsilon=0.1, steps=5)
    assert torch.allclose(torch.from_numpy(made.tensors["images"]), plain.images, atol=1e-3)


def test_a_block_can_run_the_model_as_it_is():
    model, images = with_statistics(network()), torch.rand(3, 3, 10, 10)
    plain = model(images)
    with accelerated(model, images.shape[1:]):
        fast = model(images)
        with acceleration.unaccelerated():
            assert torch.equal(model(images), plain)
        assert torch.equal(model(images), fast)
    assert not torch.equal(fast, plain)


@pytest.mark.parametrize("attack", ["dichotomy", "automatic"])
def test_the_nearest_images_fool_the_model_as_it_is(attack):
    """The last bisection ends at the decision boundary, where the rounding of folded layers would decide."""
    model, images = with_statistics(network()), torch.rand(40, 3, 10, 10, generator=torch.Generator().manual_seed(1))
    labels = model(images).argmax(1)
    made = getattr(foolflow.attacks, attack)(model, images, labels, steps=30)
    assert made.success.float().mean() > 0.9
    assert torch.equal(model(made.images).argmax(1) != labels, made.success)
