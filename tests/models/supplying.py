"""Small networks as a user would supply them."""

from pathlib import Path

import torch
from torch import nn

NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, channels=3, classes=4, width=6):
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.fc = nn.Linear(width, classes)

    def body(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))

    def forward(self, x):
        logits = self.body(x)
        {forward}
"""


class Net(nn.Module):
    """The network of NETWORK, for reference."""

    def __init__(self, channels: int = 3, classes: int = 4, width: int = 6) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 3, padding=1)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


def net(seed: int = 0, **arguments: int) -> Net:
    """Return a network whose classes depend on the image."""
    torch.manual_seed(seed)
    network = Net(**arguments).eval()
    with torch.no_grad():
        network.fc.weight *= 20
    return network


def entry(folder: Path, network: nn.Module, forward: str = "return logits", **more: object) -> dict:
    """Write the network's weights and code, and return its config entry."""
    (folder / "net.py").write_text(NETWORK.format(forward=forward))
    torch.save(network.state_dict(), folder / "net.pth")
    return {"python": f"{folder / 'net.py'}:Net", "weights": str(folder / "net.pth"), **more}


def assert_same(victim: nn.Module, network: nn.Module, images: torch.Tensor, *, mean: float, std: float) -> None:
    """Check that a victim has the logits and the gradient of the network on normalised images."""
    one, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    logits, expected = victim(one), network((other - mean) / std)
    assert torch.allclose(logits, expected, atol=1e-4)
    logits[:, 1].sum().backward()
    expected[:, 1].sum().backward()
    assert one.grad is not None
    assert other.grad is not None
    assert torch.allclose(one.grad, other.grad, atol=1e-4)
