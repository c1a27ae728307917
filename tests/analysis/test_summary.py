"""The table of a network's layers: what it counts, and how it prints."""

import numpy as np
import pytest

import minidl
from minidl import functional as F
from minidl import models, nn


def small():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.ConvTranspose2d(8, 4, 2, stride=2, bias=False),
    )  # fmt: skip


def test_the_table():
    net = small()
    net[0].bias.requires_grad_(False)
    assert str(minidl.summary(net, (3, 10, 12))).splitlines() == [
        "layer                 output shape  parameters  multiply-adds  receptive field",
        "------------------------------------------------------------------------------",
        "Sequential            1x4x10x12                                              4",
        "  0: Conv2d           1x8x10x12            224         25,920                3",
        "  1: BatchNorm2d      1x8x10x12             16                               3",
        "  2: ReLU             1x8x10x12                                              3",
        "  3: MaxPool2d        1x8x5x6                                                4",
        "  4: ConvTranspose2d  1x4x10x12            128          3,840                4",
        "------------------------------------------------------------------------------",
        "368 parameters (8 of them fixed)",
        "29,760 multiply-adds",
    ]


def test_the_fields():
    net = small()
    table = minidl.summary(net, (2, 3, 10, 12))
    assert table.total_parameters == table.trainable_parameters == 368
    assert table.multiply_adds == 2 * 29760 == sum(row.multiply_adds for row in table.rows)
    row = table.rows[1]
    assert (row.name, row.kind, row.depth, row.parameters, row.output_shape) == ("0", "Conv2d", 1, 224, (2, 8, 10, 12))
    assert row.receptive_field.size == (3, 3) and table.rows[5].receptive_field.stride == (1, 1)
    assert table.unknown == []


def test_the_model_is_left_as_it_was():
    net = small()
    net[1].eval()
    before = {name: v.data.copy() for name, v in net.state_dict().items()}
    state = minidl.get_rng_state()
    minidl.summary(net, (3, 8, 8))
    assert [m.training for m in net.modules()] == [True, True, False, True, True, True]
    assert not any(m._hooks or m._pre_hooks for m in net.modules())
    assert all(np.array_equal(before[name], v.data) for name, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters()) and minidl.get_rng_state() == state
    with pytest.raises(ValueError, match="4 input channels"):
        minidl.summary(nn.Conv2d(4, 1, 1), (3, 8, 8))
    failing = nn.Sequential(nn.Conv2d(4, 1, 1))
    with pytest.raises(ValueError):
        minidl.summary(failing, (3, 8, 8))
    assert not failing[0]._hooks and minidl.autograd.tape.observer is None


class Twice(nn.Module):
    """Calls a layer twice, computes outside of layers, and returns two maps."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(2, 2, 3, padding=1)])
        self.weight = nn.Parameter(np.ones((2, 2, 1, 1), np.float32))
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        y = self.layers[0](self.layers[0](x))
        return {"out": y, "aux": F.conv2d(y, self.weight)}


def test_repeated_calls_own_operations_and_several_outputs():
    table = minidl.summary(Twice(), (2, 5, 5))
    assert [(r.label, r.parameters, r.multiply_adds) for r in table.rows] == [
        ("", 4, 100), ("layers.0", 38, 900), ("layers.0", 0, 900),
    ]  # fmt: skip
    assert table.rows[0].output_shape == ((1, 2, 5, 5), (1, 2, 5, 5))
    assert [r.receptive_field and r.receptive_field.size for r in table.rows] == [None, (3, 3), (5, 5)]
    assert table.total_parameters == 38 + 4 + 12 and table.multiply_adds == 1900
    assert "1x2x5x5, 1x2x5x5" in str(table)


def test_unknown_fields_are_said_to_be_unknown():
    class Pick(nn.Module):
        def forward(self, x):
            return x.gather(1, np.zeros((1, 1, *x.shape[2:]), np.int64))

    table = minidl.summary(nn.Sequential(nn.ReLU(), Pick(), nn.ReLU()), (2, 4, 4))
    assert [r.receptive_field and r.receptive_field.size for r in table.rows] == [None, (1, 1), None, None]
    assert str(table).endswith("?: the receptive field is not known after gather")


def test_published_costs():
    """Howard et al. 2017, table 4: 569 million multiply-adds and 4.2 million parameters."""
    table = minidl.summary(models.mobilenet_v1(), (3, 224, 224))
    assert round(table.multiply_adds / 1e6) == 569 and round(table.total_parameters / 1e6, 1) == 4.2
    linear = minidl.summary(nn.Sequential(nn.Flatten(), nn.Linear(12, 5)), (2, 3, 2, 2))
    assert linear.multiply_adds == 120 and linear.rows[-1].receptive_field.size == (2, 2)
