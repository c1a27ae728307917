"""Cases drawn from the networks' layers."""

import numpy as np
import pytest

from minidl import cli, models
from minidl.bench import layers, measure, ours, peers, report
from minidl.bench.inputs import fingerprint


def test_the_same_seed_draws_the_same_layers():
    one, again, other = layers.draw(3, 5), layers.draw(3, 5), layers.draw(4, 5)
    assert [case.label for case in one] == [case.label for case in again] != [case.label for case in other]
    assert len(one) == 15 and [case.part for case in one[:3]] == ["forward", "data gradient", "weight gradient"]
    with pytest.raises(ValueError, match="bench layers: --count 0; needed at least 1"):
        layers.draw(0, 0)


@pytest.mark.parametrize("name", ["mobilenet_v2", "erfnet", "enet"])
def test_the_file_holds_every_layer_of_a_network(name):
    """What a network calls stands in the table, with the same sizes."""
    known = {layer[1:] for layer in layers.table()}
    found = layers.collect(name, getattr(models, name)(*([20] if name in models.NETWORKS else [])))
    outputs = {20, 21}  # the classes differ
    missing = [layer for layer in found if layer[1:] not in known and not {layer.outputs, layer.channels} & outputs]
    assert found and not missing


def test_sizes_follow_from_the_image():
    stem = layers.Layer("", "conv", 32, 64, (3, 3), (1, 1), (1, 1), (1, 1), 1, 1 / 8, 0.0)
    assert stem.params(224, 2)["H"] == 28 and stem.params(225, 2)["H"] == 29
    fixed = stem._replace(rise=0.0, offset=6.0)
    assert fixed.params(513, 1)["H"] == 6


def test_drawn_layers_run_in_both_libraries():
    """A few small ones: the results agree, whatever kernel, stride, groups or direction was drawn."""
    pytest.importorskip("torch")
    from minidl.bench import torch_peer

    small = [layer for layer in layers.table() if layer.channels * layer.outputs < 6000]
    for k in np.random.default_rng(0).choice(len(small), 12):
        for case in layers._cases(small[k], 64, 1):
            prints = [
                fingerprint(library.numbers(call()))
                for library in (ours, torch_peer)
                for call in library.OPS[case.op](case.params, case.part).values()
            ]
            assert len(prints) == 3 and all(measure._agree(other, prints[0]) for other in prints[1:]), case.label


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(layers, "IMAGES", (48,))
    monkeypatch.setattr(layers, "BATCHES", (1,))
    cli.main(["bench", "layers", "--seed", "1", "--count", "1", "--rounds", "1", "--csv", str(tmp_path / "t.csv")])
    assert "layers of the networks here" in capsys.readouterr().out
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 4


def test_a_missing_peer_is_said_and_left_out(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert peers.installed(["torch"]) == ([], ["PyTorch is not installed and left out (pip install torch)"])
    with pytest.raises(ValueError, match="--peer jax is unknown"):
        peers.installed(["jax"])


def test_ratios_are_sorted_and_judged():
    rows = [{"case": f"a, {part}", "torch ratio": r} for part, r in (("forward", 2.0), ("data gradient", 0.5))]
    text = report.sorted_ratios(rows, "torch").splitlines()
    assert text[1].split()[0] == "0.50" and text[2].split()[0] == "2.00"
    assert text[3].endswith("geometric mean 2.00, least 2.00; target 1.2 and 0.7: met") and text[4].endswith("NOT MET")
