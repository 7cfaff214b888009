"""Give each job a GPU of its own on a machine with several."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


def visible_gpus() -> list[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES names; without it, the numbers of the GPUs that NVIDIA's driver lists.

    PyTorch knows them too, but takes seconds to import.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    devices = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((match[1] for match in devices if match), key=int)


@contextmanager
def own_gpu() -> Iterator[str | None]:
    """Within the block, no other Foolflow job on this machine uses the GPU that is yielded.

    CUDA_VISIBLE_DEVICES names that GPU alone, so enter before CUDA starts. Waits while every GPU is taken; a job that
    ends or dies releases its GPU. Yields None, and changes nothing, where there is no GPU, and under Slurm, which has
    already given the job its own.
    """
    gpus = [] if "SLURM_JOB_ID" in os.environ else visible_gpus()
    if not gpus:
        yield None
        return
    gpu, lock = _claim(gpus)
    before = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")}
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the numbering of nvidia-smi
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
    """The first free GPU, and its lock."""
    folder = Path(tempfile.gettempdir()) / f"foolflow-{os.getuid()}"
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
            print(f"every GPU ({', '.join(gpus)}) is taken; waiting for one", flush=True)
            announced = True
        time.sleep(0.2)
