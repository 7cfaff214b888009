"""The border of the attacks: what a caller may pass, and what an attack may rely on.

Every attack is a function for clean arguments, decorated with `for_any_model`. Whatever model, images and labels a
caller has, and whatever mode the caller is in, they either reach the attack in one form or are rejected in one line.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from math import isfinite
from typing import Any, ParamSpec, cast

import torch
from torch import Tensor, nn

from foolflow.attacks.base import Adversarial, is_success, without_graph
from foolflow.attacks.gradient_free import GRADIENT_FREE
from foolflow.attacks.parameters import check_kinds
from foolflow.compute.acceleration import accelerated
from foolflow.compute.freezing import frozen
from foolflow.compute.gradients import why_not_differentiable
from foolflow.compute.modes import in_defaults, usual_modes
from foolflow.compute.prediction import check_finite
from foolflow.errors import InvalidInput, in_one_line, is_out_of_memory
from foolflow.models.adapters import as_module, float_type
from foolflow.models.outputs import logits_of

# Attacks that pass the images through the model a few times only, which costs less than to find out how to be faster.
QUICK = ("fgsm", "corrupt")

EXCESS = 1e-4  # images that leave [0, 1] by at most this much, by rounding, are clipped

FLOAT_TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)

P = ParamSpec("P")


def for_any_model(attack: Callable[P, Adversarial]) -> Callable[P, Adversarial]:
    """Decorate an attack(model, images, labels, *, targets=None, ...) so that it takes any model and any images.

    The caller may pass: as the model, any module or function that returns logits, or a tuple, a dict or an object that
    holds them (see `logits_of`), of any float type; as images, floats of any type and layout, which may leave [0, 1] by
    EXCESS; as labels and targets, whole numbers of any type. The batch may be empty.
    The attack gets: the model as an `Attacked`, in eval mode, with frozen parameters; float32 images (N, C, H, W) in
    [0, 1], contiguous, which may be the caller's own; labels and targets of int64 (N,), which are classes of the model.
    It runs with gradients enabled, in none of PyTorch's other modes, and need not check any of this.
    The caller gets: results without a graph, in which an image whose logits or pixels are not finite is replaced by the
    original; and the model, the images and the modes as they were.
    Raises InvalidInput if the arguments are not as described or not of the kind that the attack's annotations state,
    the model fails, the logits of an original image are not finite, or the attack needs a gradient and the model has
    none.
    A model that is a function brings its modules with it if they can be seen (see `foolflow.models.adapters`).
    The result for an image depends on that image alone as far as the model's logits do. PyTorch computes small batches,
    of about 16 images or fewer, with other kernels, whose rounding differs.
    A random model is attacked as it is, one draw at a time. Its expectation over several draws, which `samples` in a
    config attacks, is another model: `foolflow.compute.randomness.expected(model, samples)`.
    """
    kinds = {name: parameter.annotation for name, parameter in inspect.signature(attack).parameters.items()}
    name = getattr(attack, "__name__", "the attack")

    @wraps(attack)
    def attacked(model: Any, images: Tensor, labels: Tensor, **parameters: Any) -> Adversarial:
        call = cast(Callable[..., Adversarial], attack)
        if isinstance(model, Attacked):  # one attack that calls another
            return call(model, images, labels, **parameters)
        check_kinds(parameters, kinds)
        check_type("images", images)
        with usual_modes(images.device) as defaults:
            clean = clean_images(images)
            classes = {"labels": as_classes("labels", labels, clean)}
            if parameters.get("targets") is not None:
                classes["targets"] = as_classes("targets", parameters["targets"], clean)
            victim = Attacked(in_defaults(as_module(model), defaults), clean, classes)
            with ExitStack() as stack:
                stack.enter_context(frozen(victim))
                if name not in QUICK:
                    stack.enter_context(accelerated(victim.network, clean.shape[1:]))
                stack.enter_context(_with_a_gradient(victim, clean, name))
                if len(clean) == 0:
                    victim.learn_classes()
                made = call(victim, clean, **parameters | classes)
                return _restored(made, victim, clean, **classes)

    return cast(Callable[P, Adversarial], attacked)


def check_type(name: str, given: Any) -> None:
    if not isinstance(given, Tensor):
        raise InvalidInput(f"{name} are a {type(given).__name__}; expected a tensor")


def clean_images(images: Tensor) -> Tensor:
    """Return the images as float32, contiguous, without a graph, clipped to [0, 1]; a copy only if that changes them.

    Raises InvalidInput unless they are floats (N, C, H, W) that leave [0, 1] by at most EXCESS.
    """
    if images.ndim != 4 or not images.is_floating_point():
        found = f"{images.dtype} of shape {tuple(images.shape)}"
        raise InvalidInput(f"images are {found}; expected floats (N, C, H, W) in [0, 1]")
    clean = images.detach().to(torch.float32).contiguous()
    if clean.is_inference():  # autograd cannot use it, not even outside of inference mode
        clean = clean.clone()
    if clean.numel() == 0:
        return clean
    low, high = clean.aminmax()
    if not (low >= -EXCESS and high <= 1 + EXCESS):  # written so that NaN fails, too
        excess = f", which leaves [0, 1] by {max(-low, high - 1):.4g}" if low <= high else ""
        raise InvalidInput(f"images go from {low:.4g} to {high:.4g}{excess}; expected [0, 1]")
    return clean if low >= 0 and high <= 1 else clean.clamp(0, 1)


def as_classes(name: str, given: Tensor, images: Tensor) -> Tensor:
    """Return labels or targets as int64 (N,), on the device of the images.

    Raises InvalidInput unless they are whole numbers.
    """
    check_type(name, given)
    whole = not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)
    if not whole or given.shape != images.shape[:1]:
        found = f"{given.dtype} of shape {tuple(given.shape)}"
        raise InvalidInput(f"{name} are {found}; expected whole numbers of shape ({len(images)},)")
    return given.detach().to(images.device, torch.int64, copy=True)


class Attacked(nn.Module):
    """The caller's model as attacks see it: float32 images (N, C, H, W) to float32 logits (N, K), N of at least 0.

    The model may write into the images it receives; those of the attack do not change. Logits and gradients are finite,
    so that one image cannot spoil the others, nor one pixel the image: where the gradient with respect to a pixel is
    not finite, it is 0. Where a logit is not finite, all logits of the image are 0, a tie, which `is_clear_success`
    rejects; a test by argmax alone does not.
    """

    def __init__(self, network: nn.Module, clean: Tensor, classes: dict[str, Tensor]) -> None:
        """clean: the images that are attacked.  classes: their labels, and targets if there are any."""
        super().__init__()
        self.network = network
        self._clean, self._classes = clean, classes
        self._takes: torch.dtype | None = None  # what the network takes; None before the first pass
        self._outputs = 0
        self.gradient = Gradient()

    def forward(self, images: Tensor) -> Tensor:
        logits = self.exactly(images)
        if _is_finite(logits):
            return logits
        return torch.where(logits.isfinite().all(1, keepdim=True), logits, 0.0)

    def exactly(self, images: Tensor) -> Tensor:
        """Return the logits that the model returns, finite or not."""
        if len(images) == 0:  # many networks cannot
            return images.flatten(1).sum(1, keepdim=True).expand(0, self._outputs)
        if images.requires_grad and torch.is_grad_enabled():
            self.gradient.wanted = True
            images.register_hook(self.gradient.finite)
        logits = logits_of(self._output(images), len(images)).float()
        if self._outputs == 0:
            self._outputs = logits.shape[1]
            self._check(logits)
        return logits

    def learn_classes(self) -> None:
        """Find the number of classes of a model that is given no image."""
        with torch.no_grad():
            self(self._clean.new_full((1, *self._clean.shape[1:]), 0.5))

    def _output(self, images: Tensor) -> Any:
        if self._takes is not None:
            return self._called(images, self._takes)
        problem: InvalidInput | None = None
        for dtype in dict.fromkeys((float_type(self.network), *FLOAT_TYPES)):
            try:
                output = self._called(images, dtype)
            except _ModelFailed as error:
                problem = problem or error
            else:
                self._takes = dtype
                return output
        assert problem is not None
        raise problem

    def _called(self, images: Tensor, dtype: torch.dtype) -> Any:
        """Return what the network itself returns."""
        given = images.to(dtype, copy=True)  # the network may write into it
        try:
            return self.network(given)
        except Exception as error:  # the caller's model may raise anything
            if isinstance(error, InvalidInput) or is_out_of_memory(error):
                raise
            shape = tuple(images.shape)
            raise _ModelFailed(f"the model fails on images of shape {shape}: {in_one_line(error)[:300]}") from error

    def _check(self, logits: Tensor) -> None:
        """Check the first logits, which are those of the images or of points near them."""
        for name, given in self._classes.items():
            if len(given) and not (given.min() >= 0 and given.max() < logits.shape[1]):
                raise InvalidInput(
                    f"{name} go from {given.min()} to {given.max()}; the model has {logits.shape[1]} classes"
                )
        if not logits.isfinite().all():
            with torch.no_grad():
                check_finite(self.exactly(self._clean))


def _is_finite(values: Tensor) -> bool:
    """Return whether a finite sum shows that all values are finite.

    Always False on a GPU, where the check costs more than treating the values as if some were not.
    """
    return values.device.type == "cpu" and isfinite(values.detach().sum().item())


class _ModelFailed(InvalidInput):
    """The caller's model raised an error."""


@dataclass
class Gradient:
    """Whether an attack asked for a gradient of the model, and whether one arrived at its images."""

    wanted: bool = False
    arrived: bool = False

    def finite(self, gradient: Tensor) -> Tensor:
        """Return the gradient with 0 where it is not finite."""
        self.arrived = True
        return gradient if _is_finite(gradient) else gradient.nan_to_num(0.0, 0.0, 0.0)


@contextmanager
def _with_a_gradient(victim: Attacked, images: Tensor, name: str) -> Iterator[None]:
    """Raise InvalidInput if an attack needs a gradient and the model has none, whether the attack noticed or not, or if
    its gradient fails."""
    try:
        yield
    except Exception as error:  # the backward pass of the caller's model may raise anything
        rejected = isinstance(error, InvalidInput) and not isinstance(error, _ModelFailed)
        if rejected or is_out_of_memory(error) or not _runs(victim, images[:1]):
            raise
        _check_gradient(victim, images[:1], name)
        raise
    if victim.gradient.wanted and not victim.gradient.arrived and name not in GRADIENT_FREE:
        _check_gradient(victim, images[:1], name)


def _runs(victim: Attacked, images: Tensor) -> bool:
    try:
        with torch.no_grad():
            victim(images)
    except InvalidInput:
        return False
    return True


def _check_gradient(victim: Attacked, images: Tensor, name: str) -> None:
    if (reason := why_not_differentiable(victim, images)) is not None:
        raise InvalidInput(
            f"{name} needs a gradient, and the model has none ({reason}); use an attack without one, such as autoattack"
        )


def _restored(
    made: Adversarial, victim: Attacked, clean: Tensor, labels: Tensor, targets: Tensor | None = None
) -> Adversarial:
    """Return the result without a graph, with the original in place of each image that is not finite, or whose logits
    are not (a prediction of -1, see `conclude`)."""
    made = without_graph(made)
    if made.images.sum().isfinite() and (made.predictions >= 0).all():
        return made
    lost = (made.predictions < 0) | ~made.images.flatten(-3).isfinite().all(-1)
    with torch.no_grad():
        originals = victim(clean).argmax(1).expand_as(made.predictions)
    return replace(
        made,
        images=torch.where(lost[..., None, None, None], clean, made.images),
        predictions=torch.where(lost, originals, made.predictions),
        success=torch.where(lost, is_success(originals, labels, targets), made.success),
    )
