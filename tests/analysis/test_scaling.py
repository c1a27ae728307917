"""The arithmetic of several ranks, checked by hand."""

import pytest

from minidl import models
from minidl.analysis.scaling import LATENCY, Step, predict, ring, step_of, table
from minidl.cli import main


def test_a_ring_moves_nearly_two_copies_whatever_the_number_of_ranks():
    assert ring(1e6, 1, 1e9) == 0
    assert ring(1e6, 2, 1e9, 0) == pytest.approx(1e-3)
    assert ring(1e6, 4, 1e9, 0) == pytest.approx(1.5e-3)
    assert ring(1e6, 1000, 1e9, 0) == pytest.approx(2e-3, rel=2e-3)
    assert ring(0, 5, 1e9) == pytest.approx(8 * LATENCY)


def test_one_bucket_cannot_be_hidden():
    """One sum of 1 ms begins when backward ends: 3 ms of computing become 4."""
    found = predict(Step(1_000_000, 1e-3, 2e-3), 2, 1e9, 0, bucket=1e6)
    assert (found.communication, found.exposed, found.hidden) == pytest.approx((1e-3, 1e-3, 0))
    assert found.efficiency == pytest.approx(3 / 4)


def test_of_many_buckets_only_the_last_is_exposed_on_a_fast_link():
    found = predict(Step(10_000_000, 10e-3, 20e-3), 2, 1e10, 0, bucket=1e6)  # ten sums of 0.1 ms, one every 2 ms
    assert (found.communication, found.exposed, found.hidden) == pytest.approx((1e-3, 1e-4, 0.9))


def test_a_slow_link_is_busy_from_the_first_bucket_on():
    """Ten sums of 10 ms, the first of which starts 2 ms after backward does: 102 ms, of which backward takes 20."""
    found = predict(Step(10_000_000, 10e-3, 20e-3), 2, 1e8, 0, bucket=1e6)
    assert (found.communication, found.exposed, found.hidden) == pytest.approx((0.1, 0.082, 0.18))
    assert found.efficiency == pytest.approx(30 / 112)


def test_batch_norms_wait_for_latency_alone():
    found = predict(Step(0, 1e-3, 2e-3, norms=5), 8, 1e9, 1e-4, bucket=1e6)
    assert found.norms == pytest.approx(2 * 5 * 2 * 3 * 1e-4)


def test_one_rank_waits_for_nobody():
    assert predict(Step(1_000_000, 1e-3, 2e-3, 4), 1, 1e9).efficiency == 1
    with pytest.raises(ValueError, match="0 ranks"):
        predict(Step(1, 1, 1), 0, 1e9)


def test_a_network_is_counted():
    net = models.unet(num_classes=3, base=4, depth=2, batch_norm=True)
    step = step_of(net, 0.5)
    assert step.gradients == 4 * sum(p.numel() for p in net.parameters()) and step.norms == 10
    assert (step.forward, step.backward) == (0.5, 1)
    assert len(table(step).splitlines()) == 9


def test_the_command_prints_the_table_and_its_assumptions(capsys):
    assert main(["cost", "unet_small", "--size", "32", "32", "--repeats", "1", "--ranks"]) == 0
    out = capsys.readouterr().out
    assert "100 Gbit/s" in out and "\n  256 " in out and "Assumptions:" in out
    assert main(["cost", "unet_small", "--size", "32", "32", "--repeats", "0", "--ranks"]) == 1
