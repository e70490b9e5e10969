import pytest
import torch

from search_spaces.presets import preset
from trainer.latency import measure_latency


def test_deeper_network_takes_longer() -> None:
    shallow, deep = (measure_latency(preset(name)) for name in ("resnet-20", "resnet-56"))
    assert 0 < shallow < deep


def test_more_images_take_longer() -> None:
    spec = preset("resnet-20")
    assert measure_latency(spec, batch=1) < measure_latency(spec, batch=16)


def test_neither_threads_nor_random_state_are_changed() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    measure_latency(preset("resnet-20"), device="cpu")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_latency_on_a_gpu_is_measured_to_the_end_of_its_work() -> None:
    spec = preset("resnet-56")
    assert measure_latency(spec, device="cuda:0") > 0.5
