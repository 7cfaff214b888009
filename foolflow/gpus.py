"""A GPU of its own for each job on a machine with several."""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES names; without it, the numbers of the GPUs that NVIDIA's driver has here.

    PyTorch would know, too, but takes seconds to import.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    devices = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((match[1] for match in devices if match), key=int)


@contextmanager
def own_gpu() -> Iterator[str | None]:
    """Within the block, this process alone among Foolflow's jobs on this machine uses the GPU that is yielded.

    CUDA_VISIBLE_DEVICES names it alone, so enter before CUDA starts. Waits while every GPU is taken; a job that ends or
    dies gives its own back. Yields None, and changes nothing, where there is no GPU, and under Slurm, which has given
    the job its own.
    """
    gpus = [] if "SLURM_JOB_ID" in os.environ else visible_gpus()
    if not gpus:
        yield None
        return
    gpu, lock = _claim(gpus)
    before = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as nvidia-smi numbers them
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        yield gpu
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        os.close(lock)


def _claim(gpus: list[str]) -> tuple[str, int]:
    """The first free GPU, and its lock."""
    folder = Path(tempfile.gettempdir()) / f"foolflow-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    told = False
    while True:
        for gpu in gpus:
            lock = os.open(folder / f"gpu-{gpu.replace('/', '_')}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return gpu, lock
            except BlockingIOError:
                os.close(lock)
        if not told:
            print(f"every GPU ({', '.join(gpus)}) is taken; waiting for one", flush=True)
            told = True
        time.sleep(0.2)
