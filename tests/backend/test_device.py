"""The whole library on GPU arrays, with a strict stand-in for CuPy where there is no GPU (fake_cupy.py)."""

import functools
import importlib
import shutil
import sys
import types

import fake_cupy
import numpy as np
import pytest
from cases import CASES, inputs

import minidl
from minidl import cli, crf, data, models, nn
from minidl import functional as F
from minidl.train import checkpoint, metrics, optim
from minidl.train import loop as training

needs_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")), reason="cudasim needs g++ or clang++; neither is installed"
)


@pytest.fixture
def cupy(monkeypatch):
    """The stand-in as the module `cupy`."""
    from minidl.kernels.cuda import loader

    module = fake_cupy.module()
    special = types.ModuleType("cupyx.scipy.special")
    for function in (importlib.import_module("scipy.special").erf, importlib.import_module("scipy.special").ndtr):
        setattr(special, function.__name__, functools.partial(fake_cupy.call, function))
    for name, value in {"cupy": module, "cupyx": special, "cupyx.scipy": special, special.__name__: special}.items():
        monkeypatch.setitem(sys.modules, name, value)
    yield module
    loader._gpu_function.cache_clear()
    loader._gpu_module.cache_clear()


def outcome(function, arrays, device):
    """The result and the gradients of the sum of its squares, as NumPy arrays, after all ran on `device`."""
    tensors = [minidl.tensor(a, requires_grad=True, device=device) for a in arrays]
    out = function(F, lambda data: minidl.tensor(data, device=device), *tensors)
    (out * out).sum().backward()
    kind, gradients = device.partition(":")[0], [x.grad for x in tensors if x.grad is not None]
    assert all(t.device.partition(":")[0] == kind for t in (out, *tensors, *gradients))
    return [t.cpu().data for t in (out.detach(), *gradients)]


@needs_compiler
@pytest.mark.parametrize("name, function, shapes", CASES, ids=[name for name, *_ in CASES])
def test_every_function_and_its_gradient_on_the_device(cupy, name, function, shapes):
    arrays = inputs(name, shapes)
    for came, needed in zip(outcome(function, arrays, "cuda"), outcome(function, arrays, "cpu")):
        np.testing.assert_allclose(came, needed, rtol=1e-9, atol=1e-11)


def small_net():
    minidl.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)),
        *(nn.ConvTranspose2d(6, 4, 2, stride=2), nn.Upsample(scale_factor=1, mode="bilinear"), nn.Conv2d(4, 5, 1)),
    )


def train(device, optimizer, steps=3, labels="numpy"):
    """The losses and the weights of a few steps, with gradients clipped and some pixels ignored."""
    rng = np.random.default_rng(1)
    x, t = rng.standard_normal((2, 3, 8, 8)), rng.integers(-1, 5, (2, 8, 8))
    model = small_net().double().to(device)
    optimizer = optimizer(model.parameters())
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        target = minidl.tensor(t, device=device) if labels == "tensor" else t
        loss = F.cross_entropy(model(minidl.tensor(x, device=device)), target, ignore_index=-1)
        loss.backward()
        optim.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(float(loss))
    return losses, model, optimizer


@needs_compiler
@pytest.mark.parametrize("labels", ["numpy", "tensor"])
@pytest.mark.parametrize(
    "optimizer", [lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True), lambda p: optim.AdamW(p, 0.01)]
)
def test_training_steps_are_those_of_the_cpu(cupy, optimizer, labels):
    (here, mine, _), (there, theirs, state) = train("cpu", optimizer), train("cuda", optimizer, labels=labels)
    np.testing.assert_allclose(there, here, rtol=1e-9)
    assert theirs.device == "cuda:0"
    for (name, a), b in zip(mine.state_dict().items(), theirs.state_dict().values()):
        assert b.device == "cuda:0", name
        np.testing.assert_allclose(b.cpu().numpy(), a.numpy(), rtol=1e-7, atol=1e-10)
    saved = state.state_dict()["state"][0]
    assert all(v.device == "cuda:0" for v in saved.values() if isinstance(v, minidl.Tensor))


@needs_compiler
def test_a_checkpoint_goes_from_one_device_to_the_other(cupy, tmp_path):
    _, model, optimizer = train("cuda", lambda p: optim.AdamW(p, 0.01))
    checkpoint.save(tmp_path / "x.safetensors", model.state_dict(), optimizer=optimizer.state_dict())
    fresh = small_net().double()
    branches = checkpoint.load_weights(fresh, tmp_path / "x.safetensors")
    other = optim.AdamW(fresh.parameters(), 0.01)
    other.load_state_dict(branches["optimizer"])
    for a, b in zip(model.state_dict().values(), fresh.state_dict().values()):
        np.testing.assert_array_equal(a.cpu().numpy(), b.numpy())
    fresh.cuda()
    x = np.ones((1, 3, 8, 8))
    for m, o in ((model, optimizer), (fresh, other)):  # the moments follow the parameters
        minidl.manual_seed(3)
        o.zero_grad()
        m(minidl.tensor(x, device="cuda")).sum().backward()
        o.step()
    for a, b in zip(model.state_dict().values(), fresh.state_dict().values()):
        np.testing.assert_array_equal(a.cpu().numpy(), b.cpu().numpy())


def test_tensors_move_and_say_where_they_are(cupy):
    x = minidl.tensor([1.0, 2.0], requires_grad=True)
    y = x.cuda()
    assert (x.device, y.device) == ("cpu", "cuda:0") and y.to("cuda") is y and y.to("cuda:0") is y and x.cpu() is x
    assert "device='cuda:0'" in repr(y)
    (y * y).sum().backward()
    assert x.grad.device == "cpu" and x.grad.tolist() == [2.0, 4.0]
    assert x.to("cuda", np.float64).dtype == np.float64
    with pytest.raises(TypeError, match=r"on cuda:0; call cpu\(\).numpy\(\)"):
        y.detach().numpy()
    with pytest.raises(RuntimeError, match=r"mul: its tensors are on cpu and cuda:0; move them with to\(\)"):
        x * y
    assert (y * minidl.tensor(2.0)).device == "cuda:0"  # a 0-d tensor goes where the others are
    with pytest.raises(RuntimeError, match="GPUs are numbered from 0, and there are 1"):
        x.to("cuda:3")
    with pytest.raises(ValueError, match='device must be "cpu", "cuda" or "cuda:1"'):
        x.to("cuda:x")
    y = y.detach()
    y[0] = 7.0
    y.copy_(np.array([3.0, 4.0], np.float32))
    assert y.tolist() == [3.0, 4.0] and minidl.tensor(y).device == "cuda:0"


def test_writing_in_place_is_noticed_on_the_device(cupy):
    x = minidl.tensor([1.0, 2.0], requires_grad=True, device="cuda")
    y = x * 1
    z = (y * y).sum()
    y.detach()[:1].fill_(5)
    with pytest.raises(RuntimeError, match="written in place after"):
        z.backward()


def test_without_cupy_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert not minidl.cuda.is_available()
    for move in (lambda: minidl.tensor([1.0]).to("cuda"), lambda: nn.Linear(2, 2).to("cuda")):
        with pytest.raises(
            RuntimeError, match=r"to\('cuda'\): CuPy is not installed: pip install \"minidl\[cuda12\]\""
        ):
            move()


def test_without_a_gpu_the_message_says_so(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"CuPy 14.0.0 .* finds no NVIDIA GPU"):
        minidl.tensor([1.0]).cuda()


@pytest.mark.parametrize("part", ["RawModule", "cublas"])
def test_a_missing_part_of_the_toolkit_is_named_with_its_remedy(cupy, monkeypatch, part):
    def fails(*args, **kwargs):
        raise RuntimeError("Failed to find 'libnvrtc.so'\nmore lines")

    if part == "RawModule":
        monkeypatch.setattr(cupy, "RawModule", fails)
    else:
        monkeypatch.setattr(cupy.cuda.device, "get_cublas_handle", fails)
    with pytest.raises(
        RuntimeError, match=r"lacks a part .*\(Failed to find 'libnvrtc.so'\): pip install \"minidl\[cuda12\]"
    ):
        minidl.tensor([1.0]).cuda()


def test_an_upload_waits_for_what_the_gpu_may_still_read(cupy, monkeypatch):
    waited = []
    uploader = minidl.cuda.Uploader()
    monkeypatch.setattr(type(uploader.stream), "wait_event", lambda stream, event: waited.append((stream, event)))
    monkeypatch.setattr(type(uploader.stream), "record", lambda stream, event=None: ("recorded", stream))
    uploader.start((np.zeros(3, np.float32),))
    assert waited == [(uploader.stream, ("recorded", cupy.cuda.get_current_stream()))]


def test_initialisation_draws_the_same_numbers_everywhere(cupy):
    here, there = np.zeros((4, 3), np.float32), minidl.tensor(np.zeros((4, 3), np.float32), device="cuda")
    for fill in (nn.init.kaiming_normal_, nn.init.uniform_):
        minidl.manual_seed(5)
        a = fill(minidl.tensor(here))
        minidl.manual_seed(5)
        np.testing.assert_array_equal(fill(there).cpu().numpy(), a.numpy())


def test_the_confusion_matrix_counts_on_the_device(cupy):
    rng = np.random.default_rng(0)
    p, t = rng.integers(0, 4, (2, 9, 9)), rng.integers(-1, 4, (2, 9, 9))
    here, there = (metrics.ConfusionMatrix(4, -1) for _ in range(2))
    here.update(p, t, where=t > 0)
    there.update(cupy.asarray(p), t, where=t > 0)
    np.testing.assert_array_equal(here.counts, there.counts)


def test_the_loader_brings_batches_to_the_device(cupy):
    scenes = data.DigitScenes(16, 5, 3)
    here = data.DataLoader(scenes, 2, True)
    there = data.DataLoader(scenes, 2, True, device="cuda")
    places = []
    for a, b in zip(here, there, strict=True):
        for x, y in zip(a, b, strict=True):
            assert isinstance(y, cupy.ndarray)
            np.testing.assert_array_equal(y.get(), x)
        places.append(there.state_dict()["batch"])
    assert places == [1, 2, 3]  # the batch given out, not the one that is on its way
    boxes = data.DataLoader(data.DigitScenes(16, 3, 3, instances=True), 3, device="cuda")
    images, targets = next(iter(boxes))
    assert all(isinstance(x, cupy.ndarray) for x in (*images, *(t["boxes"] for t in targets)))
    with pytest.raises(ValueError, match='device must be "cpu"'):
        data.DataLoader(scenes, device="cuda:first")


@needs_compiler
def test_training_on_the_device_learns_what_the_cpu_learns(cupy, tmp_path):
    histories = []
    for device in ("cpu", "cuda"):
        minidl.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1)).to(
            device
        )
        loader = data.DataLoader(data.DigitScenes(16, 6, 3), 2, True, device=device)
        history = training.fit(
            *(model, loader, loader),
            optimizer=optim.SGD(model.parameters(), 0.1, momentum=0.9),
            loss=functools.partial(training.segmentation_loss, weight=np.array([0.3, 1, 1, 1], np.float32)),
            epochs=2,
            clip=1.0,
            folder=tmp_path / device,
            progress=False,
        )
        histories.append([(row["train_loss"], row["val_loss"], row["val_iou"]) for row in history])
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-4)
    weights = [checkpoint.load(tmp_path / device / "last.safetensors")[0] for device in ("cpu", "cuda")]
    for name, w in weights[0].items():
        np.testing.assert_allclose(weights[1][name], w, rtol=1e-3, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("exact", [True, False])
def test_the_crf_runs_where_its_unary_is(cupy, exact):
    rng = np.random.default_rng(0)
    image, unary = rng.integers(0, 255, (3, 7, 8)).astype(np.uint8), rng.random((4, 7, 8)).astype(np.float32)
    terms = (
        crf.Gaussian(),
        crf.Bilateral(20, 30, rng.random(4)),
        crf.Features(rng.random((2, 7, 8)), rng.random((4, 4))),
    )
    here = crf.DenseCRF(image, terms, exact)
    needed = here.inference(unary, 3)
    there = crf.DenseCRF(image, terms, exact)
    came = there.inference(cupy.asarray(unary), 3)
    assert isinstance(came, cupy.ndarray)
    np.testing.assert_allclose(came.get(), needed, atol=2e-5)
    np.testing.assert_allclose(there.inference(unary, 3), needed)  # and goes back
    energy = there.free_energy(cupy.asarray(unary), came)
    np.testing.assert_allclose(energy, here.free_energy(unary, needed), rtol=1e-4)
    layer, logits = nn.CRF(4, 2, (crf.Gaussian(), crf.Bilateral(20, 30))), minidl.tensor(unary[None])
    out = layer(logits, image[None])
    np.testing.assert_allclose(
        layer.cuda()(logits.cuda(), image[None]).detach().cpu().data, out.detach().data, atol=1e-4
    )


def test_sequential_updates_say_that_they_need_the_cpu(cupy):
    with pytest.raises(ValueError, match="sequential updates run on the CPU only"):
        crf.DenseCRF(None, (crf.Gaussian(),), True).inference(cupy.zeros((2, 3, 3)), sequential=True)


def test_commands_refuse_a_device_that_is_not_there(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    for command in (
        ["train", "--out", "x"],
        ["evaluate", "x"],
        ["predict", "x", "y", "-o", "z"],
        ["tour"],
        ["cost", "unet"],
    ):
        with pytest.raises(SystemExit):
            cli.main([*command, "--device", "cuda"])
        assert "--device cuda: CuPy is not installed: pip install" in capsys.readouterr().err


@needs_compiler
def test_commands_train_evaluate_and_predict_on_the_device(cupy, tmp_path, capsys):
    run = str(tmp_path / "run")
    digits = ["--length", "4", "--digit-size", "32", "--batch-size", "2", "--epochs", "1", "--digit-classes", "2"]
    assert cli.main(["train", "--out", run, *digits, "--device", "cuda"]) == 0
    assert cli.main(["evaluate", run, "--device", "cuda"]) == 0
    there = capsys.readouterr().out.split("\n\n")[-1]
    assert cli.main(["evaluate", run]) == 0
    assert capsys.readouterr().out.split("\n\n")[-1] == there
    data.write_mask(tmp_path / "grey.png", np.zeros((32, 32), np.uint8), data.voc_palette(256))
    assert (
        cli.main(["predict", run, str(tmp_path / "grey.png"), "-o", str(tmp_path / "o.png"), "--device", "cuda"]) == 0
    )


def recorded_steps(optimizer, inside, change=lambda k, o: None, net=None):
    """Losses and weights of six steps, eager and captured."""
    results = []
    for captured in (False, True):
        rng = np.random.default_rng(2)
        minidl.manual_seed(0)
        model = (net or plain_net)().double().cuda()
        mover = optimizer(model.parameters())

        def step(x, t, model=model, mover=mover):
            mover.zero_grad()
            loss = training.segmentation_loss(model(x), t, ignore_index=-1)
            loss.backward()
            if inside:
                mover.step()
            return loss

        run = minidl.capture(step) if captured else step
        losses = []
        for k in range(6):
            x, t = rng.standard_normal((2, 3, 6, 6)), rng.integers(-1, 4, (2, 6, 6))
            losses.append(run(minidl.tensor(x, device="cuda"), minidl.tensor(t, device="cuda")).item())
            if not inside:
                mover.step()
            change(k, mover)
        if captured:
            assert run.recorded
        results.append((losses, [p.cpu().detach().numpy() for p in model.state_dict().values()]))
    return results


def plain_net():
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(1)),
        *(nn.ConvTranspose2d(4, 4, 2, stride=2), nn.Upsample(scale_factor=2, mode="bilinear"), nn.MaxPool2d(2)),
    )


@needs_compiler
@pytest.mark.parametrize(
    "optimizer, inside",
    [
        (lambda p: optim.AdamW(p, 0.01), False),
        (lambda p: optim.SGD(p, 0.1, momentum=0.9), False),
        (lambda p: optim.SGD(p, 0.1, momentum=0.9), True),
    ],
)
def test_a_captured_step_replays_what_the_step_does(cupy, optimizer, inside):
    eager, captured = recorded_steps(optimizer, inside)
    np.testing.assert_array_equal(captured[0], eager[0])
    for a, b in zip(eager[1], captured[1]):
        np.testing.assert_array_equal(a, b)


@needs_compiler
def test_a_changed_learning_rate_records_anew(cupy):
    def change(k, mover):
        if k == 3:
            mover.param_groups[0]["lr"] = 0.01

    eager, captured = recorded_steps(lambda p: optim.SGD(p, 0.1), True, change)
    np.testing.assert_array_equal(captured[0], eager[0])


@needs_compiler
@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda s: float(s.x.sum()), "capture: the step cannot be recorded: cudaErrorStreamCaptureUnsupported"),
        (lambda s: F.dropout(s.x, 0.5), r"draws random numbers on the CPU \(dropout\) while it is recorded"),
        (lambda s: s.adam.step(), "Adam counts its steps on the CPU"),
        (lambda s: s.w.__mul__(s.x).sum().backward(), r"call zero_grad\(\) inside the step"),
        (lambda s: F.cross_entropy(s.x, np.zeros(3, int)), "copies an array between NumPy's memory and the GPU's"),
    ],
)
def test_what_cannot_be_recorded_is_refused(cupy, spoil, message):
    w = minidl.tensor([1.0, 2.0], requires_grad=True, device="cuda")
    w.grad = minidl.tensor([1.0, 1.0], device="cuda")
    state = types.SimpleNamespace(w=w, adam=optim.Adam([w]))

    def step(x):
        state.x = x
        spoil(state)
        return x * 2

    fast, x = minidl.capture(step, 1), minidl.tensor(np.ones((3, 2)), device="cuda")
    fast(x)
    with pytest.raises(RuntimeError, match=message):
        fast(x)
    assert minidl.cuda.recording is None and (x + 1).cpu().numpy()[0, 0] == 2


def test_captured_steps_check_their_arguments(cupy):
    fast = minidl.capture(lambda x: x * 2)
    with pytest.raises(TypeError, match="argument 0 must be a Tensor on the GPU, not cpu"):
        fast(minidl.tensor([1.0]))
    fast(minidl.tensor([1.0], device="cuda"))
    with pytest.raises(ValueError, match="the step was begun with"):
        fast(minidl.tensor([1.0, 2.0], device="cuda"))


def test_capture_needs_a_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match="capture: CuPy is not installed"):
        minidl.capture(lambda x: x)


@needs_compiler
def test_regions_on_the_device(cupy):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 3, 16, 16))
    corners = rng.random((2, 4, 2)) * 8
    boxes = np.concatenate([corners, corners + 1 + 7 * rng.random((2, 4, 2))], 2)

    def regions(device):
        image = minidl.tensor(x, requires_grad=True, device=device)
        mine = [minidl.tensor(b, device=device) for b in boxes]
        aligned, pooled = F.roi_align(image, mine, 3, sampling_ratio=2), F.roi_pool(image, mine, 2)
        pyramid = F.multiscale_roi_align(
            [image, F.avg_pool2d(image, 2)], mine, 2, image_size=(16, 16), canonical_scale=4
        )
        (aligned.sum() + (pooled * pooled).sum() + pyramid.sum()).backward()
        kept = F.nms(mine[0], minidl.tensor([0.1, 0.4, 0.3, 0.2], device=device), 0.2)
        return [v.detach().cpu().data for v in (aligned, pooled, pyramid, image.grad, kept, F.box_iou(*mine))]

    for came, needed in zip(regions("cuda"), regions("cpu")):
        np.testing.assert_allclose(came, needed, rtol=1e-9, atol=1e-11)


@needs_compiler
def test_mask_rcnn_learns_and_detects_on_the_device(cupy):
    scenes, losses = data.DigitScenes(64, 2, 3, instances=True), []
    for device in ("cpu", "cuda"):
        minidl.manual_seed(0)
        model = models.mask_rcnn_small(num_classes=4).to(device)
        (images, targets) = next(iter(data.DataLoader(scenes, 2, device=device)))
        parts = model(images, targets)
        sum(parts.values()).backward()
        slope = next(p for p in model.parameters() if p.grad is not None).grad
        assert slope.device.startswith(device)
        losses.append([float(v) for v in parts.values()] + [float((slope * slope).sum())])
        found = model.eval()(images)[0]
        assert found["masks"].shape[2:] == (64, 64) and all(v.device == "cpu" for v in found.values())
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
