"""Choose the device, the number of threads and the precision of a job."""

import torch

from foolflow.errors import InvalidInput


def compute_on(name: str, threads: int) -> torch.device:
    """Choose the device, log it, and set the number of CPU threads. Raises the errors of `choose_device`."""
    torch.set_num_threads(threads)
    device = choose_device(name)
    print(f"device: {describe_device(device)}", flush=True)
    return device


def choose_device(name: str) -> torch.device:
    """Return the device for `auto` (a GPU if there is one), `cpu` or `cuda`. On a GPU, make cuDNN deterministic.

    Raises InvalidInput if `cuda` is requested and no GPU is available.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidInput("device: cuda was asked for, but PyTorch sees no GPU here; use device: auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False  # TF32 keeps only 10 bits of a float32 convolution's inputs
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    threads = torch.get_num_threads()
    cpu = f"cpu, {threads} thread{'' if threads == 1 else 's'}"
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu


def training_precision(requested: str, device: torch.device) -> torch.dtype:
    """Return the dtype to train in: for `auto`, bfloat16 if the hardware has it (2 to 4 times faster), else float32."""
    if requested != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[requested]
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
