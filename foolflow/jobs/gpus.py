"""Assign each job its own GPU on a machine with several."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


def visible_gpus() -> list[str]:
    """Return the GPUs in CUDA_VISIBLE_DEVICES or, if it is not set, the numbers of those that NVIDIA's driver lists.

    A Slurm job for which it is not set was given no GPU. PyTorch could list them, but takes seconds to import.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "" if "SLURM_JOB_ID" in os.environ else None)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    devices = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((match[1] for match in devices if match), key=int)


@contextmanager
def own_gpu() -> Iterator[str | None]:
    """Reserve a GPU for the block and yield its name. No other Foolflow job on this machine uses it meanwhile.

    Waits while all GPUs are taken. A job releases its GPU when it ends, even if it is killed. In the block,
    CUDA_VISIBLE_DEVICES lists only the reserved GPU, so enter it before CUDA is initialised. Yields None and changes
    nothing if there is no GPU, or if Slurm has assigned this job its GPU. If Snakemake runs its jobs within an
    allocation of several GPUs, each of them still needs one of its own.
    """
    gpus = visible_gpus()
    if not gpus or ("SLURM_JOB_ID" in os.environ and len(gpus) == 1):
        yield None
        return
    gpu, lock = _claim(gpus)
    before = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order in which nvidia-smi numbers the GPUs
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        yield gpu
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        lock.release()


def _claim(gpus: list[str]) -> tuple[str, FileLock]:
    """Wait for a free GPU. Return its name and its lock."""
    # Slurm may number the GPUs of each allocation from 0: GPU 0 of another allocation is another GPU.
    allocation = os.environ.get("SLURM_JOB_ID")
    folder = Path(tempfile.gettempdir()) / "-".join(filter(None, ("foolflow", str(os.getuid()), allocation)))
    folder.mkdir(mode=0o700, exist_ok=True)
    announced = False
    while True:
        for gpu in gpus:
            lock = FileLock(folder / f"gpu-{gpu.replace('/', '_')}.lock")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return gpu, lock
        if not announced:
            print(f"all GPUs ({', '.join(gpus)}) are in use; waiting for one", flush=True)
            announced = True
        time.sleep(0.2)
