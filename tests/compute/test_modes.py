from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from foolflow.compute.modes import Defaults, usual_modes

CPU = torch.device("cpu")
ODD = Defaults(torch.float64, torch.device("meta"))


def current():
    return Defaults(torch.get_default_dtype(), torch.get_default_device())


@pytest.fixture
def _float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_the_usual_modes_apply_inside_and_the_callers_come_back():
    with (
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16),
        torch.autograd.set_detect_anomaly(True),
        ODD.restored(),
    ):
        with usual_modes(CPU) as found:
            assert found == ODD
            assert current().usual
            assert not torch.is_inference_mode_enabled()
            assert not torch.is_autocast_enabled("cpu")
            assert not torch.is_anomaly_enabled()
            with found.restored():
                assert current() == ODD
            assert current().usual
        assert current() == ODD
        assert torch.is_inference_mode_enabled()
        assert torch.is_autocast_enabled("cpu")
        assert torch.is_anomaly_enabled()
    assert current().usual


def test_they_come_back_after_an_error():
    with ODD.restored():
        with pytest.raises(ZeroDivisionError), usual_modes(CPU):
            _ = 1 / 0
        assert current() == ODD


@pytest.mark.usefixtures("_float64")
def test_threads_do_not_disturb_each_other():
    """The default type belongs to the process."""

    def one(_):
        seen = []
        for _ in range(50):
            with usual_modes(CPU) as found:
                seen.append((found.dtype, torch.get_default_dtype()))
                with found.restored():
                    seen.append((found.dtype, torch.get_default_dtype()))
        return seen

    with ThreadPoolExecutor(4) as threads:
        seen = {pair for pairs in threads.map(one, range(8)) for pair in pairs}
    assert seen == {(torch.float64, torch.float32), (torch.float64, torch.float64)}
    assert torch.get_default_dtype() == torch.float64
