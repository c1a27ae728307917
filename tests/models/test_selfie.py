"""MediaPipe's person network: its file is read without TensorFlow, its mask is a person's, damaged files are refused."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

import minidl
from minidl import Tensor, models
from minidl.models.weights import open_weights, read_weights
from minidl.models.weights.tflite import read_tflite
from minidl.train.checkpoint import CheckpointError

FOLDER = os.environ.get("MINIDL_DATA")
FILE = Path(FOLDER or "") / "selfie_segmentation.tflite"
needs_file = pytest.mark.skipif(
    FOLDER is None or not FILE.is_file(), reason="needs MINIDL_DATA, a folder with selfie_segmentation.tflite"
)


def astronaut():
    """(3, 256, 256) in 0..1."""
    from PIL import Image

    data = pytest.importorskip("skimage.data")
    image = Image.fromarray(data.astronaut()).resize((256, 256))
    return np.ascontiguousarray(np.asarray(image, np.float32).transpose(2, 0, 1) / 255)


def person(model, x):
    with minidl.no_grad():
        background, score = model(Tensor(x[None]))["out"].data[0].astype(np.float64)
    return 1 / (1 + np.exp(np.clip(background - score, -700, 700)))


@needs_file
def test_the_astronaut_is_a_person():
    opened = open_weights(FILE)
    assert opened.config["classes"] == ["background", "person"] and "Apache-2.0" in opened.config["license"]
    mask = person(opened.model, astronaut()) > 0.5
    assert mask[30:90, 90:130].mean() > 0.98 and mask[140:240, 40:130].mean() > 0.98  # head, chest
    assert mask[:40, :60].mean() < 0.02 and mask[:100, 200:230].mean() < 0.1  # flag and space shuttle
    assert 0.4 < mask.mean() < 0.7


@needs_file
def test_the_same_as_its_makers_runtime():
    runtime = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(FILE), num_threads=1)
    runtime.allocate_tensors()
    model = open_weights(FILE).model
    for x in (astronaut(), np.random.default_rng(0).random((3, 256, 256), np.float32)):
        runtime.set_tensor(runtime.get_input_details()[0]["index"], x.transpose(1, 2, 0)[None])
        runtime.invoke()
        expected = runtime.get_tensor(runtime.get_output_details()[0]["index"])[0, ..., 0]
        np.testing.assert_allclose(person(model, x), expected, atol=1e-4)


@needs_file
def test_damaged_files_are_refused(tmp_path):
    whole, draw = FILE.read_bytes(), np.random.default_rng(0)
    path, refused = tmp_path / "a.tflite", 0
    for _ in range(150):
        content = bytearray(whole[: draw.choice([len(whole), draw.integers(8, len(whole))])])
        for place in draw.integers(8, min(len(content), 20_000), 6):
            content[place] = draw.integers(256)
        path.write_bytes(content)
        try:
            read_tflite(path)
        except CheckpointError as error:
            assert "a.tflite" in str(error)
            refused += 1
    assert refused > 60


def test_a_vector_longer_than_the_file_is_refused(tmp_path):
    """A root table whose list of operator codes claims 2**31 entries."""
    content = struct.pack("<I4s", 24, b"TFL3") + struct.pack("<6H", 8, 12, 0, 8, 0, 0) + bytes(4)
    content += struct.pack("<iII", 16, 0, 4) + struct.pack("<II", 2**31, 0)
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"a\.tflite cannot be read as a TensorFlow Lite file: a vector is longer"
    ):
        read_weights(tmp_path / "a.tflite")


def test_the_network_without_its_file():
    minidl.manual_seed(0)
    model = models.selfie_segmentation()
    assert sum(p.numel() for p in model.parameters()) == 106_401
    x = Tensor(np.random.default_rng(0).random((1, 3, 45, 70), np.float32))
    assert model(x)["out"].shape == (1, 2, 45, 70)
    assert models.selfie_segmentation(5)(x)["out"].shape == (1, 5, 45, 70)
    own = model.state_dict().keys()
    published = [f"conv2d{f'_{k}' * (k > 0)}" for k in range(43)] + [
        f"depthwise_conv2d{f'_{k}' * (k > 0)}" for k in range(11)
    ]
    names = {model.current_name(f"{layer}.{leaf}") for layer in [*published, "segment"] for leaf in ("weight", "bias")}
    assert names == set(own)
