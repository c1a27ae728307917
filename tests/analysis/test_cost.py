"""Costs: the papers' figures, closed forms, and the commands `minidl cost` and `minidl export`."""

import numpy as np
import pytest

from minidl import models, nn
from minidl.analysis.cost import cost, table
from minidl.cli import main


def test_mobilenet_is_as_cheap_as_its_paper_says():
    """Howard et al. 2017, table 4: 4.2 M parameters, 569 M multiply-adds at 224 x 224."""
    c = cost(models.mobilenet_v1(), (224, 224), repeats=0)
    assert round(c.parameters / 1e6, 1) == 4.2
    assert round(c.multiply_adds / 1e6) == 569
    assert c.receptive_field == (315, 315)
    assert c.output_stride == 32
    assert c.milliseconds is None


def test_closed_form():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 2, stride=2))
    c = cost(net, (10, 12), repeats=1)
    assert c.parameters == 3 * 8 * 9 + 8 + 8 * 4 * 4 + 4
    assert c.multiply_adds == 8 * 120 * 27 + 4 * 30 * 32
    assert c.activations == 4 * (8 * 120 + 8 * 120 + 4 * 30)
    assert c.peak == 4 * (8 * 120 + 8 * 120)  # the second convolution starts when the first result is gone
    assert c.receptive_field == (4, 4)
    assert c.output_stride == 2
    assert c.milliseconds > 0


def test_a_skip_keeps_memory_alive():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList([nn.Conv2d(2, 2, 1, bias=False) for _ in range(4)])

        def forward(self, x):
            first = y = self.convs[0](x)
            for conv in self.convs[1:]:
                y = conv(y)
            return y + first

    c = cost(Residual(), (5, 5), repeats=0, channels=2)
    one = 4 * 2 * 25
    assert c.activations == 5 * one
    assert c.peak == 3 * one  # the first result, and two of the chain


@pytest.mark.parametrize("name", ["enet_small", "deeplab_v3_small", "unet_small"])
def test_table_has_a_line_for_each(name):
    c = cost(getattr(models, name)(), (64, 64), name, repeats=0)
    assert c.output_stride == {"unet_small": 8}.get(name, 8)
    text = table([c, c])
    assert text.count(name) == 2
    assert len({len(line) for line in text.splitlines()}) == 1


def test_command_cost(tmp_path, capsys):
    figure = tmp_path / "cost.png"
    assert (
        main(["cost", "enet_small", "espnet_small", "--size", "64", "64", "--repeats", "1", "--plot", str(figure)]) == 0
    )
    out = capsys.readouterr().out
    assert "enet_small" in out
    assert "espnet_small" in out
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert main(["cost", "nonet"]) == 1
    assert "nonet is neither a folder nor a network; networks are unet" in capsys.readouterr().err
    assert main(["cost", "enet_small", "--plot", str(tmp_path / "no" / "x.png")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_command_export(tmp_path, capsys):
    pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    assert main(["export", str(path), "--arch", "erfnet_small", "--classes", "4"]) == 0
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"image": np.zeros((1, 3, 40, 56), np.float32)})
    assert out.shape == (1, 4, 40, 56)
    assert main(["export", str(path)]) == 1
    assert "needed either --run RUN, --weights NAME|FILE, or --arch NAME" in capsys.readouterr().err
    assert main(["export", str(path), "--arch", "nonet"]) == 1
    assert "there is no network nonet" in capsys.readouterr().err


def test_a_run_brings_its_accuracy(tmp_path, capsys):
    from minidl.train import checkpoint

    model = models.enet_small(num_classes=3)
    config = {"model": "enet_small", "model_options": {}, "classes": ["a", "b", "c"]}
    checkpoint.save(tmp_path / "best.safetensors", model.state_dict(), config=config, scores={"val_iou": 0.625})
    command = ["cost", str(tmp_path), "--size", "64", "64", "--repeats", "0", "--plot", str(tmp_path / "cost.png")]
    assert main(command) == 0
    assert "mean IoU 0.625" in capsys.readouterr().out
