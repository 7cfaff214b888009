"""Attack victims of a finished run with pyautoattack and foolbox, outside the workflow, and show both numbers.

    python -m bench.second_opinion --images 200 \\
        mnist/lenet/none/0:robustness-autoattack:0.1 cifar10/six_conv/none/0:autoattack_8:8/255

Each argument is a victim, the attack of the run that is to be confirmed, and the bound of its L-infinity norm. The
run's number is read from its judgements; the peers get the network as a plain module and the same first test images.
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from bench.victims import load_trained_victim
from foolflow.statistics.intervals import wilson_interval
from foolflow.statistics.paired import compare_paired

BATCH = 250


def compare(results: Path, victim: str, attack: str, epsilon: float, images: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each opinion on a victim: its accuracy on the first test images under attack.

    differ: the images that one of the run and the peer leaves right and the other does not; p: McNemar's exact test.
    """
    model, pictures, labels = load_trained_victim(
        results / f"victims/{victim}/weights.safetensors",
        results / f"data/{victim.split('/')[0]}/test.safetensors",
        None,
    )
    pictures, labels = pictures[:images].float() / 255, labels[:images]
    ours = _judged(results, victim, attack, len(labels))
    opinions = {
        f"the run's {attack}": ours,
        "pyautoattack": _right(model, _pyautoattack(model, pictures, labels, epsilon), labels),
        "foolbox, PGD": _right(model, _foolbox(model, pictures, labels, epsilon), labels),
    }
    for name, right in opinions.items():
        low, high = wilson_interval(int(right.sum()), len(right))
        tested = compare_paired(ours.numpy(), right.numpy())
        yield {
            "victim": victim,
            "epsilon": round(epsilon, 5),
            "n": len(right),
            "attacked by": name,
            "accuracy": right.double().mean().item(),
            "low": low,
            "high": high,
            "differ": int((ours != right).sum()),
            "p": tested.p_value,
        }


def _judged(results: Path, victim: str, attack: str, images: int) -> torch.Tensor:
    """Return whether the victim was right on each of the first images after the attack, by the run's records."""
    for file in sorted(results.glob(f"judgements/*/{victim}/records.parquet")):
        found = pd.read_parquet(file, columns=["attack", "source", "index", "prediction", "label"])
        own = "/".join(victim.split("/")[1:3])
        found = found[(found["attack"] == attack) & (found["source"] == own)].set_index("index")
        if len(found):
            found = found.loc[list(range(images))]
            return torch.from_numpy((found["prediction"] == found["label"]).to_numpy())
    raise SystemExit(f"no judgement of {attack} on {victim}")


@torch.no_grad()
def _right(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return torch.cat([model(batch).argmax(1) for batch in images.split(BATCH)]) == labels


def _pyautoattack(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, epsilon: float) -> torch.Tensor:
    from pyautoattack import AutoAttack

    theirs = AutoAttack(model, norm="Linf", eps=epsilon, version="standard", device="cpu")
    return theirs.run_standard_evaluation(images, labels, batch_size=BATCH)[0]


def _foolbox(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, epsilon: float) -> torch.Tensor:
    import foolbox

    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    _, made, _ = foolbox.attacks.LinfPGD(steps=40)(wrapped, images, labels, epsilons=epsilon)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("victims", nargs="+", metavar="victim:attack:epsilon")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("results/bench"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for one in arguments.victims:
        victim, attack, epsilon = one.split(":")
        for row in compare(arguments.results, victim, attack, float(Fraction(epsilon)), arguments.images):
            print(*row.values(), flush=True)
            rows.append(row)
    arguments.out.mkdir(parents=True, exist_ok=True)
    data = pd.DataFrame(rows)
    data.to_csv(arguments.out / "second_opinion.csv", index=False, lineterminator="\n")
    (arguments.out / "second_opinion.md").write_text(
        data.to_markdown(index=False, floatfmt=".3g") + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
