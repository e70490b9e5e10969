import torch

from trainer.population.single import SingleNetwork


def test_one_network_answers_as_a_group_of_one(build, sample):
    (own,), (alone,) = build(sample(1)), build(sample(1))
    network = SingleNetwork(own, torch.device("cpu"))
    images = torch.randn(4, 1, 8, 8, dtype=torch.double)
    assert network.networks == (own,)
    torch.testing.assert_close(network(images), alone(images).unsqueeze(0))


def test_its_gradients_lie_in_one_vector(build, sample):
    (own,) = build(sample(1))
    network = SingleNetwork(own, torch.device("cpu"))
    network(torch.randn(4, 1, 8, 8, dtype=torch.double)).sum().backward()
    vector = network.parameter_vector.vector
    assert vector.grad is not None
    parts = network.parameter_vector.of_member(vector.grad, own)
    for part, weight in zip(parts, own.parameters(), strict=True):
        assert weight.grad is not None
        assert part.data_ptr() == weight.grad.data_ptr()
        assert torch.equal(part, weight.grad)


def test_its_own_norms_count_the_batches(build, sample):
    (own,) = build(sample(1))
    network = SingleNetwork(own, torch.device("cpu"))
    network(torch.randn(4, 1, 8, 8, dtype=torch.double))
    network.count_batches(9)
    counts = [int(b) for name, b in own.named_buffers() if "num_batches" in name]
    assert set(counts) == {1}
