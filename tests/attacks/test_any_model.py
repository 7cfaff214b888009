"""Whatever model, images and modes a caller has: every attack works as without them, or says in one line what to do."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import foolflow
from foolflow.compute import freezing
from foolflow.errors import InvalidInput
from tests.attacks.cases import CASES, Changed, ImageByImage

CLASSES = 3
SHAPE = (1, 8, 8)
every_attack = pytest.mark.parametrize("name", CASES)
some_attacks = pytest.mark.parametrize("name", ["fgsm", "pgd_undetected", "autoattack", "deepfool, linf", "stadv"])
GRADIENT = [name for name, case in CASES.items() if case.gradient]
GRADIENT_FREE = [name for name, case in CASES.items() if not case.gradient]


def network(classes=CLASSES, shape=SHAPE, seed=0, scale=5.0):
    """A linear network that works in any batch, and whose logits do not depend on the batch by rounding."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.Size(shape).numel()
    layer = nn.Linear(pixels, classes)
    layer.weight.data = scale * torch.randn(classes, pixels, generator=generator) / pixels**0.5
    layer.bias.data = -layer.weight.data.sum(1) / 2
    return ImageByImage(nn.Sequential(nn.Flatten(), layer))


def batch(count=5, shape=SHAPE, seed=0):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def classes_of(model, images):
    with torch.no_grad():
        return model(images).argmax(1)


def attacked(name, model, images, labels, **more):
    return CASES[name].run(model, images, labels, **{"classes": CLASSES} | more)


def is_same(made, expected):
    for field in ("images", "predictions", "success", "iterations", "gradient_evaluations"):
        assert torch.equal(getattr(made, field), getattr(expected, field)), field
    assert made.details.keys() == expected.details.keys()
    for name, tensor in expected.details.items():
        assert torch.equal(made.details[name], tensor), name


@pytest.fixture(scope="module")
def plain():
    """The results on the plain network, in no mode: a dict by name."""
    model, images = network(), batch()
    labels = classes_of(model, images)
    return {name: attacked(name, model, images, labels) for name in CASES}


def test_the_table_has_every_attack():
    assert {case.method for case in CASES.values()} == set(dir(foolflow.attacks))


def test_every_attack_fools_the_plain_network(plain):
    for name, made in plain.items():
        assert made.success.any(), name


# ---- the same result in another form --------------------------------------------------------------------------------


class WritesIntoItsInput(nn.Module):
    """(2 x - 1) computed in place. `how` is the attribute through which it writes."""

    def __init__(self, body, how):
        super().__init__()
        self.body, self.how = body, how

    def forward(self, images):
        written = images.data if self.how == "data" else images
        written.mul_(2).sub_(1)
        return self.body((images + 1) / 2)


MODELS = {
    "a tuple": lambda model: Changed(model, lambda z: (z, None)),
    "a list": lambda model: Changed(model, lambda z: [z]),
    "a dict": lambda model: Changed(model, lambda z: {"logits": z, "loss": z.sum()}),
    "an object": lambda model: Changed(model, lambda z: SimpleNamespace(logits=z)),
    "(N, K, 1, 1)": lambda model: Changed(model, lambda z: z[..., None, None]),
    "float64 logits": lambda model: Changed(model, lambda z: z.double()),
    "a function": lambda model: lambda images: model(images),
    "a function of keyword arguments": lambda model: lambda x, scale=1: model(x) * scale,
    "fails on an empty batch": lambda model: Changed(model, images=lambda x: x.reshape(len(x), -1, *x.shape[1:])[:, 0]),
    "gradients disabled in the model's parameters": lambda model: model.requires_grad_(False),
}


@pytest.mark.parametrize("kind", MODELS)
@some_attacks
def test_a_model_in_another_form_gives_the_same_result(plain, name, kind):
    images = batch()
    is_same(attacked(name, MODELS[kind](network()), images, classes_of(network(), images)), plain[name])


def in_another_order(images):
    return images.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)


INPUTS = {
    "channels_last": lambda x, y: (x.to(memory_format=torch.channels_last), y),
    "permuted": lambda x, y: (in_another_order(x), y),
    "every other of a larger tensor": lambda x, y: (torch.stack([x, 0 * x], 1)[:, 0], torch.stack([y, 0 * y], 1)[:, 0]),
    "expanded": lambda x, y: (x.expand(1, *x.shape)[0], y),
    "float64": lambda x, y: (x.double(), y),
    "images that require grad": lambda x, y: (x.clone().requires_grad_(), y),
    "images with a graph": lambda x, y: (x.clone().requires_grad_() * 1, y),
    "int32 labels": lambda x, y: (x, y.int()),
    "int16 labels": lambda x, y: (x, y.short()),
    "uint8 labels": lambda x, y: (x, y.to(torch.uint8)),
}


@pytest.mark.parametrize("kind", INPUTS)
@some_attacks
def test_images_and_labels_in_another_form_give_the_same_result(plain, name, kind):
    model = network()
    images, labels = INPUTS[kind](batch(), classes_of(model, batch()))
    made = attacked(name, model, images, labels)
    is_same(made, plain[name])
    assert not any(tensor.requires_grad for tensor in (made.images, *made.details.values()))
    assert made.images.is_contiguous()
    assert torch.equal(images.detach().float(), batch())  # the caller's are not changed
    assert not images.is_leaf or images.grad is None


@contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


MODES = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64 by default": lambda: default_dtype(torch.float64),
    "another device by default": lambda: torch.device("meta"),
    "anomalies are errors": lambda: torch.autograd.set_detect_anomaly(True),
}


@pytest.mark.parametrize("mode", MODES)
@some_attacks
def test_the_modes_of_the_caller_change_nothing(plain, name, mode):
    model, images = network(), batch()
    labels = classes_of(model, images)
    with MODES[mode]():
        if mode == "inference_mode":
            images, labels = images.clone(), labels.clone()  # inference tensors
        made = attacked(name, model, images, labels)
        state = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        defaults = torch.get_default_dtype(), torch.get_default_device().type
    is_same(made, plain[name])
    assert not made.images.is_inference()
    assert state == (mode not in ("inference_mode", "no_grad"), mode == "inference_mode", mode == "autocast")
    assert defaults == (
        torch.float64 if "float64" in mode else torch.float32,
        "meta" if "device" in mode else "cpu",
    )


@every_attack
def test_another_form_of_everything_at_once_gives_the_same_result(plain, name):
    """A model of another form in train mode, images and labels of another form, and every mode of the caller."""
    body = nn.Sequential(nn.Dropout(0.5), MODELS["fails on an empty batch"](network())).requires_grad_(False).train()
    model = Changed(body, lambda z: {"logits": z.double()[..., None, None]})
    images, labels = batch().double(), classes_of(network(), batch()).int()
    with ExitStack() as stack:
        for mode in MODES.values():
            stack.enter_context(mode())
        images, labels = in_another_order(images), labels.clone()  # inference tensors
        made = attacked(name, model, images, labels)
    is_same(made, plain[name])
    assert not made.images.is_inference()
    assert not any(tensor.requires_grad for tensor in (made.images, *made.details.values()))
    assert made.images.is_contiguous()
    assert torch.equal(images.float(), batch())
    assert all(module.training for module in body.modules())


def test_a_model_sees_the_callers_default_type():
    """Whoever makes float64 the default has models that create float64 tensors in their forward pass."""
    with default_dtype(torch.float64):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))
        images = torch.rand(4, *SHAPE)
        labels = classes_of(model, images)
        mixed = Changed(model, lambda z: z @ torch.eye(CLASSES))
        made = foolflow.attacks.pgd(mixed, images, labels, epsilon=0.3)
    assert made.images.dtype == torch.float32
    assert made.success.any()


@pytest.mark.parametrize("how", ["the tensor", "data"])
@every_attack
def test_a_model_may_write_into_its_input(name, how):
    model, images = network(), batch()
    labels, kept = classes_of(model, images), images.clone()
    written = WritesIntoItsInput(model, how)
    made = attacked(name, written, images, labels)
    assert torch.equal(images, kept)
    expected = attacked(name, Changed(model, images=lambda x: ((2 * x - 1) + 1) / 2), images, labels)
    if how == "the tensor":
        is_same(made, expected)
    assert made.success.any()


@every_attack
def test_a_model_may_write_into_some_images_on_some_calls(name):
    calls = []
    model, images = network(), batch().round()
    images[0] = 0.25 + 0.5 * batch()[0]  # nothing is written into the first image
    kept = images.clone()

    def clips(x):
        calls.append(len(x))
        if len(calls) % 2:
            x.data.clamp_(0.05, 0.95)
        return model(x.clamp(0.05, 0.95))

    labels = classes_of(model, images.clamp(0.05, 0.95))
    made = attacked(name, clips, images, labels)
    assert torch.equal(images, kept)
    is_same(made, attacked(name, lambda x: model(x.clamp(0.05, 0.95).clone()), images, labels))


# ---- other float types ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@every_attack
def test_models_of_other_float_types_are_attacked(plain, name, dtype):
    model, images = network().to(dtype), batch()
    labels = classes_of(network(), images)
    for victim in (model, lambda x: model(x)):  # of the second, the type is not known in advance
        made = attacked(name, victim, images, labels)
        assert made.images.dtype == torch.float32
        assert (made.success == plain[name].success).float().mean() >= 0.8
        assert (made.images - images).abs().amax() <= (plain[name].images - images).abs().amax() + 0.2
    assert all(parameter.dtype == dtype for parameter in model.parameters())


# ---- what is not finite ---------------------------------------------------------------------------------------------


def standardised(images):
    return (images - images.mean((1, 2, 3), keepdim=True)) / (images.var((1, 2, 3), keepdim=True).sqrt() + 1e-6)


def without_row(made, row):
    kept = [place for place in range(len(made.images)) if place != row]
    return SimpleNamespace(
        images=made.images[kept],
        predictions=made.predictions[kept],
        success=made.success[kept],
        iterations=made.iterations[kept],
        gradient_evaluations=made.gradient_evaluations[kept],
        details={name: tensor[kept] for name, tensor in made.details.items()},
    )


def is_sound(made, images, labels, model):
    """Whether the images are valid, and the predictions and the success are those of the model."""
    assert made.images.isfinite().all()
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    with torch.no_grad():
        logits = model(made.images)
    assert logits.isfinite().all()
    assert torch.equal(made.predictions, logits.argmax(1))
    return True


@every_attack
def test_an_image_whose_gradient_is_not_finite_does_not_affect_the_others(name):
    model, images = Changed(network(), images=standardised), batch()
    images[2] = 0.5  # its variance is 0, where the square root has no finite derivative
    labels = classes_of(model, images)
    made = attacked(name, model, images, labels)
    assert is_sound(made, images, labels, model)
    others = torch.tensor([0, 1, 3, 4])
    if CASES[name].independent:
        is_same(without_row(made, 2), attacked(name, model, images[others], labels[others]))


class NotFiniteNear(nn.Module):
    """A model whose logits are not finite in the neighbourhood of one image, and finite at that image."""

    def __init__(self, body, image, value):
        super().__init__()
        self.body, self.image, self.value = body, image, value

    def forward(self, images):
        distance = (images - self.image).abs().flatten(1).amax(1)
        near = (distance > 0) & (distance < 0.45)
        logits = self.body(images)
        if self.value == "one":
            return logits.masked_fill(near[:, None] & (torch.arange(CLASSES) == 2), -torch.inf)
        return logits.masked_fill(near[:, None], self.value)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, "one"])
@every_attack
def test_logits_that_are_not_finite_are_no_success(name, value):
    images = batch()
    model = NotFiniteNear(network(), images[2], value)
    labels = classes_of(model, images)
    made = attacked(name, model, images, labels)
    assert is_sound(made, images, labels, model)
    others = torch.tensor([0, 1, 3, 4])
    if CASES[name].independent:
        is_same(without_row(made, 2), attacked(name, model, images[others], labels[others]))


@pytest.mark.parametrize("name", ["dichotomy", "automatic", "stadv", "stadv, bounded", "stadv_students"])
def test_details_describe_the_original_where_it_is_returned(plain, name):
    images, body = batch(), network()

    def model(x):
        """Fail on everything except the originals, unless a gradient is wanted, as it is not when an attack ends."""
        original = (x[:, None] == images).flatten(2).all(2).any(1)
        return body(x) if torch.is_grad_enabled() else body(x).masked_fill(~original[:, None], torch.nan)

    made = attacked(name, model, images, classes_of(body, images))
    assert torch.equal(made.images, images)
    assert not made.success.any()
    of_perturbation = made.details.keys() - {"converged"}
    assert any((plain[name].details[detail] > 0).any() for detail in of_perturbation)
    for detail in of_perturbation:
        assert (made.details[detail] == 0).all(), detail


@every_attack
def test_an_original_image_whose_logits_are_not_finite_is_rejected(name):
    images, body = batch(), network()

    def model(x):
        itself = (x - images[2]).abs().flatten(1).amax(1) == 0
        return body(x).masked_fill(itself[:, None], torch.nan)

    with pytest.raises(InvalidInput, match=r"^the model returns logits that are not finite$"):
        attacked(name, model, images, classes_of(body, images))


# ---- number and values of the logits --------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3, 1500])
@every_attack
def test_few_and_many_classes(name, classes):
    model, images = network(classes), batch(3)
    labels = classes_of(model, images)
    made = attacked(name, model, images, labels, classes=classes)
    assert is_sound(made, images, labels, model)
    if CASES[name].minimal:
        assert made.success.all()


LOGITS = {
    "a softmax": lambda z: z.softmax(1),
    "times 1e4": lambda z: 1e4 * z,
    "times 1e-6": lambda z: 1e-6 * z,
    "plus 1e5": lambda z: z + 1e5,
    "two equal classes": lambda z: torch.cat([z, z[:, :1]], 1),
    "a class that is never predicted": lambda z: torch.cat([z, z.amin(1, keepdim=True) - 1], 1),
    "a masked class": lambda z: torch.cat([z, z.new_full((len(z), 1), -1e9)], 1),
    "rounded to ties": lambda z: z + (z.round() - z).detach(),
}


@pytest.mark.parametrize("kind", LOGITS)
@every_attack
def test_logits_of_any_kind(name, kind):
    model, images = Changed(network(), LOGITS[kind]), batch()
    labels = classes_of(model, images)
    made = attacked(name, model, images, labels)
    assert is_sound(made, images, labels, model)
    if CASES[name].minimal and kind != "rounded to ties":
        assert made.success.all()


@every_attack
def test_a_constant_model_is_never_fooled(name):
    model, images = Changed(network(), lambda z: 0 * z + torch.arange(3.0)), batch()
    made = attacked(name, model, images, torch.full((5,), 2))
    assert is_sound(made, images, None, model)
    assert not made.success.any()


# ---- size of the batch ----------------------------------------------------------------------------------------------


@every_attack
def test_an_empty_batch_gives_an_empty_result(plain, name):
    model = MODELS["fails on an empty batch"](network())
    made = attacked(name, model, batch()[:0], torch.zeros(0, dtype=torch.int64))
    expected = plain[name]
    assert made.images.shape == (0, *SHAPE)
    assert made.details.keys() == expected.details.keys()
    for field in ("predictions", "success", "iterations", "gradient_evaluations"):
        assert getattr(made, field).shape == (0,), field
        assert getattr(made, field).dtype == getattr(expected, field).dtype, field
    for detail, tensor in expected.details.items():
        assert made.details[detail].shape == (0, *tensor.shape[1:]), detail


@every_attack
def test_one_image(plain, name):
    model, images = network(), batch()[:1]
    made = attacked(name, Changed(model, lambda z: z.squeeze()), images, classes_of(model, images))
    assert torch.equal(made.images, plain[name].images[:1])


# ---- the model is left as it was ------------------------------------------------------------------------------------


@every_attack
def test_a_model_in_train_mode_is_left_as_it_was(name):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten())
    model.append(nn.Linear(144, CLASSES))
    model.train()
    model[3].eval()
    model[0].bias.requires_grad_(False)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    attacked(name, model, batch(), torch.zeros(5, dtype=torch.int64))
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())
    assert not model._forward_hooks
    assert not model._forward_pre_hooks


class Merging(nn.Linear):
    """A layer that merges an update into its weight in eval mode, as that of loralib."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.update, self.merged = nn.Parameter(torch.randn(outputs, inputs) / 7), False

    def train(self, mode=True):
        if mode == self.merged:
            self.weight.data += -self.update.data if mode else self.update.data
            self.merged = not mode
        return super().train(mode)

    def forward(self, images):
        return super().forward(images) if self.merged else super().forward(images) + images @ self.update.T


class AlwaysTraining(nn.BatchNorm2d):
    def train(self, mode=True):
        return super().train(True)


class Averaging(nn.Module):
    """Subtracts a running mean, which each pass updates, in one of several ways."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, images):
        new = 0.9 * self.mean + 0.1 * images.detach().mean()
        if self.how == "replaced":
            self.mean = new
        elif self.how == "data":
            self.mean.data.copy_(new)
        else:
            self.mean.copy_(new)
        return images - self.mean


def with_hidden_weight():
    with pytest.warns(FutureWarning):
        return nn.Sequential(nn.Flatten(), nn.utils.weight_norm(nn.Linear(64, CLASSES)))


STATEFUL = {
    "a layer that merges weights": lambda: nn.Sequential(nn.Flatten(), Merging(64, CLASSES)),
    "a BatchNorm that stays in train mode": lambda: nn.Sequential(AlwaysTraining(1), network()),
    "a buffer that is written": lambda: nn.Sequential(Averaging("in place"), network()),
    "a buffer that is written through data": lambda: nn.Sequential(Averaging("data"), network()),
    "a buffer that is replaced": lambda: nn.Sequential(Averaging("replaced"), network()),
    "a weight that a hook computes": with_hidden_weight,
}


def state_of(model):
    """Return everything that belongs to the model's state, and the objects that hold it."""
    modules = [(module.training, sorted(vars(module)), getattr(module, "merged", None)) for module in model.modules()]
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    tensors |= {
        f"{name}.{key}": value
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, torch.Tensor)
    }
    flags = {name: (id(tensor), tensor.requires_grad) for name, tensor in tensors.items()}
    return modules, flags, {name: tensor.detach().clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize("kind", STATEFUL)
@some_attacks
def test_state_that_changes_while_a_model_runs_is_restored(name, kind):
    torch.manual_seed(0)
    model = STATEFUL[kind]().train()
    before = state_of(model)
    first = attacked(name, model, batch(), torch.zeros(5, dtype=torch.int64))
    after = state_of(model)
    assert after[:2] == before[:2]
    assert all(torch.equal(tensor, after[2][key]) for key, tensor in before[2].items())
    is_same(attacked(name, model, batch(), torch.zeros(5, dtype=torch.int64)), first)


def noisy_network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, CLASSES))


class CallsAModel:
    def __init__(self, model):
        self.model = model

    def __call__(self, images):
        return self.model(images)


AROUND = {
    "a lambda": lambda model: lambda images: model(images),
    "its forward": lambda model: model.forward,
    "a partial": lambda model: partial(lambda network, images: network(images), model),
    "an object": CallsAModel,
    "a method of an object": lambda model: CallsAModel(model).__call__,
    "a decorated function": lambda model: torch.enable_grad()(lambda images: model(images)),
}


@pytest.mark.parametrize("kind", AROUND)
@some_attacks
def test_the_model_of_a_function_is_attacked_in_eval_mode_and_restored(name, kind):
    torch.manual_seed(0)
    model = noisy_network().train()
    before = state_of(model)
    made = attacked(name, AROUND[kind](model), batch(), torch.zeros(5, dtype=torch.int64))
    after = state_of(model)
    assert after[:2] == before[:2]
    assert all(torch.equal(tensor, after[2][key]) for key, tensor in before[2].items())
    is_same(made, attacked(name, model.eval(), batch(), torch.zeros(5, dtype=torch.int64)))


def test_an_exported_program_is_attacked_as_it_is():
    body, images = nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES)), batch()
    sizes = ({0: torch.export.Dim("count", min=1, max=100)},)
    program = torch.export.export(body, (images,), dynamic_shapes=sizes).module()
    labels = classes_of(body, images)
    for name in ("pgd", "pgd_undetected", "square"):
        made, expected = (attacked(name, model, images, labels) for model in (program, body))
        assert torch.allclose(made.images, expected.images, atol=1e-5), name
    assert all(parameter.requires_grad for parameter in program.parameters())


def test_attacks_in_several_threads_share_a_model():
    images, names = batch(), ("pgd", "fgsm", "deepfool", "dichotomy") * 4
    layers = network()
    model = nn.Sequential(nn.Dropout(0.5), layers).train()
    labels = classes_of(layers, images)
    alone = {name: attacked(name, model, images, labels) for name in set(names)}
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda name: attacked(name, model, images, labels), names))
    for name, result in zip(names, made, strict=True):
        is_same(result, alone[name])
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


# ---- what is rejected -----------------------------------------------------------------------------------------------

UNUSABLE = {
    "(N, 1)": (lambda z: z[:, :1], "so that it returns two logits, torch.cat([0 * z, z], 1)"),
    "(N,)": (lambda z: z[:, 0], "so that it returns two logits, torch.stack([0 * z, z], 1)"),
    "a map": (lambda z: z[:, :, None, None].expand(-1, -1, 2, 2), "for 5 images; wrap the network"),
    "one row too few": (lambda z: z[1:], "for 5 images; wrap the network"),
    "nothing": (lambda z: None, "returns a NoneType; wrap the network"),
    "a dict without logits": (lambda z: {"a": z, "b": z}, "returns a dict of a, b; wrap the network"),
    "an error": (lambda z: 1 / 0, "the model fails on images of shape (5, 1, 8, 8): ZeroDivisionError"),
    "not finite": (lambda z: z * torch.nan, "logits that are not finite"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
@some_attacks
def test_a_model_that_cannot_be_used_is_rejected_in_one_line(name, kind):
    change, words = UNUSABLE[kind]
    with pytest.raises(InvalidInput, match=r"^[^\n]+$") as caught:
        attacked(name, Changed(network(), change), batch(), torch.zeros(5, dtype=torch.int64))
    assert words in str(caught.value)


WITHOUT_GRADIENT = {
    "detached": lambda model: Changed(model, images=lambda x: x.detach()),
    "detached, of a function": lambda model: lambda images: model(images.detach()),
    "NumPy": lambda model: Changed(model, images=lambda x: torch.from_numpy(x.numpy())),
    "no_grad": lambda model: torch.no_grad()(model),
}


@pytest.mark.parametrize("kind", WITHOUT_GRADIENT)
@pytest.mark.parametrize("name", GRADIENT)
def test_an_attack_that_needs_a_gradient_says_that_there_is_none(name, kind):
    model, images = network(), batch()
    with pytest.raises(InvalidInput, match=r"^[^\n]*needs a gradient, and the model has none[^\n]*$"):
        attacked(name, WITHOUT_GRADIENT[kind](model), images, classes_of(model, images))


@pytest.mark.parametrize("kind", WITHOUT_GRADIENT)
@pytest.mark.parametrize("name", GRADIENT_FREE)
def test_the_other_attacks_work_without_a_gradient(name, kind):
    model, images = network(), batch()
    made = attacked(name, WITHOUT_GRADIENT[kind](model), images, classes_of(model, images))
    assert is_sound(made, images, None, model)
    assert made.success.any()


class Failing(torch.autograd.Function):
    """The identity, whose backward pass fails."""

    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ValueError("of the model")


def on_second_call(model):
    calls = []

    def fails(images):
        calls.append(len(images))
        if len(calls) == 2:
            raise ValueError("of the model")
        return model(images)

    return fails


FAILING = {
    "a backward pass that fails": lambda model: Changed(model, Failing.apply),
    "a forward pass that fails once": on_second_call,
}


@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.parametrize("name", [*GRADIENT, "autoattack"])
def test_a_model_whose_gradient_fails_is_not_taken_for_one_without(name, kind):
    model, images = network(), batch()
    with pytest.raises(InvalidInput, match=r"^[^\n]*ValueError: of the model[^\n]*$"):
        attacked(name, FAILING[kind](model), images, classes_of(model, images))


@pytest.mark.parametrize("kind", WITHOUT_GRADIENT)
def test_autoattack_says_that_it_is_a_random_search_without_a_gradient(kind):
    model, images = network(), batch()
    with pytest.warns(UserWarning, match="Square alone, since the model has no gradient"):
        attacked("autoattack", WITHOUT_GRADIENT[kind](model), images, classes_of(model, images))


def made_in_inference_mode():
    with torch.inference_mode():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, CLASSES))


def test_after_a_model_is_rejected_nothing_is_held():
    def train(mode=True):
        raise ValueError("of the model")

    model = network().train()
    model.network[1].train = train
    before = state_of(model)
    with pytest.raises(InvalidInput, match=r"^model: train\(False\) fails with ValueError: of the model$"):
        attacked("pgd", model, batch(), torch.zeros(5, dtype=torch.int64))
    assert state_of(model)[:2] == before[:2]
    assert not freezing._held


BAD = {
    "a pixel above 1": ({"images": batch() + 0.25}, "beyond|leaves .0, 1. by 0.2"),
    "a pixel below 0": ({"images": batch() - 0.5}, "leaves .0, 1. by 0.4"),
    "a pixel that is no number": ({"images": torch.full((5, *SHAPE), torch.nan)}, "from nan to nan"),
    "8-bit images": ({"images": torch.zeros(5, *SHAPE, dtype=torch.uint8)}, "images are torch.uint8"),
    "three dimensions": ({"images": torch.zeros(5, 8, 8)}, r"expected floats \(N, C, H, W\)"),
    "an array": ({"images": batch().numpy()}, "images are a ndarray; expected a tensor"),
    "labels that are fractions": ({"labels": torch.zeros(5)}, "labels are torch.float32"),
    "labels that are truth values": ({"labels": torch.zeros(5, dtype=torch.bool)}, "labels are torch.bool"),
    "a list of labels": ({"labels": [0] * 5}, "labels are a list; expected a tensor"),
    "too few labels": ({"labels": torch.zeros(4, dtype=torch.int64)}, r"expected whole numbers of shape \(5,\)"),
    "a label that is no class": ({"labels": torch.full((5,), 3)}, "labels go from 3 to 3; the model has 3 classes"),
    "a negative label": ({"labels": torch.full((5,), -1)}, "labels go from -1 to -1; the model has 3 classes"),
    "no model": ({"model": 3}, "model: a int cannot be called with images"),
    "weights of inference mode": ({"model": made_in_inference_mode()}, "its weights were made in inference mode"),
    "a lazy model": ({"model": nn.Sequential(nn.Flatten(), nn.LazyLinear(3))}, "its lazy layers have no weights yet"),
}


@pytest.mark.parametrize("kind", BAD)
@some_attacks
def test_bad_arguments_are_rejected_in_one_line(name, kind):
    change, words = BAD[kind]
    arguments = {"model": network(), "images": batch(), "labels": torch.zeros(5, dtype=torch.int64)} | change
    with pytest.raises(InvalidInput, match=words) as caught:
        CASES[name].run(**arguments)
    assert "\n" not in str(caught.value)


@every_attack
def test_every_attack_checks_the_model_the_images_and_the_labels(name):
    model, images, labels = network(), batch(), torch.zeros(5, dtype=torch.int64)
    with pytest.raises(InvalidInput, match=r"^[^\n]*for 5 images; wrap the network[^\n]*$"):
        attacked(name, Changed(model, lambda z: z[1:]), images, labels)
    with pytest.raises(InvalidInput, match=r"^the model returns logits that are not finite$"):
        attacked(name, Changed(model, lambda z: z * torch.nan), images, labels)
    with pytest.raises(InvalidInput, match=r"^[^\n]*leaves .0, 1. by 0.4[^\n]*$"):
        attacked(name, model, images - 0.5, labels)
    with pytest.raises(InvalidInput, match=r"^labels go from 3 to 3; the model has 3 classes[^\n]*$"):
        attacked(name, model, images, labels + 3)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.targets])
def test_every_attack_with_targets_checks_them(name):
    case, images, labels = CASES[name], batch(), torch.zeros(5, dtype=torch.int64)
    attack = getattr(foolflow.attacks, case.method)
    for target in (-1, 3):
        with pytest.raises(InvalidInput, match=f"^targets go from {target} to {target}; [^\n]*$"):
            attack(network(), images, labels, targets=torch.full((5,), target), **case.parameters)


@every_attack
def test_pixels_outside_by_rounding_are_clipped(name):
    model, images = network(), batch().round()
    labels = classes_of(model, images)
    outside = (images - 0.5) * (1 + 2e-7) + 0.5
    assert outside.max() > 1
    is_same(attacked(name, model, outside, labels), attacked(name, model, images, labels))


# ---- any of these together ------------------------------------------------------------------------------------------


@given(
    st.sampled_from(sorted(CASES)),
    st.integers(2, 6),
    st.tuples(st.integers(1, 3), st.integers(4, 9), st.integers(4, 9)),
    st.integers(1, 4),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    st.sampled_from([torch.contiguous_format, torch.channels_last]),
    st.floats(-3, 3),
    st.integers(0, 10**6),
)
@settings(max_examples=60)
def test_results_are_sound_and_depend_on_the_image_alone(name, classes, shape, count, dtype, layout, power, seed):
    model = network(classes, shape, seed, scale=10**power)
    images = batch(count, shape, seed).to(dtype).to(memory_format=layout)
    labels = classes_of(model, images.float())
    made = attacked(name, model, images, labels, classes=classes)
    assert is_sound(made, images, labels, model)
    targeted = CASES[name].targets == "needed"
    wanted = made.predictions == (labels + 1) % classes if targeted else made.predictions != labels
    assert torch.equal(made.success, wanted)
    if (epsilon := CASES[name].epsilon) is not None:
        moved = (made.images - images.float()).flatten(1)
        sizes = moved.norm(dim=1) if "l2" in name else moved.abs().amax(1)
        assert sizes.max() <= epsilon * (1 + 1e-5) + 1e-6
    if CASES[name].independent:
        alone = attacked(name, model, images[-1:], labels[-1:], classes=classes)
        assert torch.equal(alone.images[0], made.images[-1])
