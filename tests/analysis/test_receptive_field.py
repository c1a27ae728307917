"""Receptive fields: closed forms from the literature, and the support of the gradient as an independent oracle."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minidl
from minidl import functional as F
from minidl import models, nn
from minidl.analysis import receptive_field


def chain(*layers):
    """Convolutions of one channel from (kernel, stride) pairs."""
    return nn.Sequential(*[nn.Conv2d(1, 1, k, s, padding=k // 2) for k, s in layers])


def vgg(blocks):
    layers = []
    for convolutions in (2, 2, 3, 3, 3)[:blocks]:
        for _ in range(convolutions):
            layers += [nn.Conv2d(1, 1, 3, padding=1), nn.ReLU()]
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


# -- closed forms ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks, size", [(1, 6), (2, 16), (3, 44), (4, 100), (5, 212)])
def test_vgg_pools(blocks, size):
    field = receptive_field(vgg(blocks), (1, 64, 96))
    assert field.size == (size, size) and field.stride == (2**blocks, 2**blocks)
    assert field.start == (1 - size // 2 + 2 ** (blocks - 1) - 1,) * 2  # centred on the first 2^blocks pixels
    assert field.centre == (2 ** (blocks - 1) - 0.5,) * 2


def test_vgg_first_convolution_and_fully_connected_layers():
    assert receptive_field(vgg(1)[:1], (1, 8, 8)).size == (3, 3)
    as_convolution = nn.Sequential(vgg(5), nn.Conv2d(1, 2, 7))
    as_matrix = nn.Sequential(
        vgg(5), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(49, 4), nn.ReLU(), nn.Linear(4, 2)
    )
    for net in (as_convolution, as_matrix):
        assert receptive_field(net, (1, 224, 224)).size == (404, 404)


@pytest.mark.parametrize(
    "layers, size",
    [
        ([(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)], 195),  # AlexNet pool5
        ([(7, 2), (3, 2), *[(3, 1)] * 2, (3, 2), *[(3, 1)] * 3, (3, 2), *[(3, 1)] * 5, (3, 2), *[(3, 1)] * 3], 483),
        ([(7, 2), (3, 2), *[(3, 1)] * 2, (3, 2), *[(3, 1)] * 3, (3, 2), *[(3, 1)] * 22, (3, 2), *[(3, 1)] * 3], 1027),
        (
            [(7, 2), (3, 2), *[(3, 1)] * 3, *[(3, 2), *[(3, 1)] * 3], *[(3, 2), *[(3, 1)] * 5], (3, 2), (3, 1), (3, 1)],
            427,
        ),
        ([(3, 2), (3, 1), *[(3, 2), (3, 1)] * 2, (3, 2), *[(3, 1)] * 5, (3, 2), (3, 1)], 315),  # MobileNet v1
    ],
    ids=["alexnet", "resnet50", "resnet101", "resnet50 of torchvision", "mobilenet_v1"],
)
def test_published_sizes(layers, size):
    """Araujo, Norris and Sim 2019, table 1; a ResNet's stride stands in the last unit of a block there, else in the first."""
    assert receptive_field(chain(*layers), (1, 64, 64)).size == (size, size)


def test_dilation_grows_exponentially():
    plain, dilated = (
        nn.Sequential(*[nn.Conv2d(1, 1, 3, dilation=d) for d in rates]) for rates in ((1, 1, 1), (1, 2, 4))
    )
    assert receptive_field(plain, (1, 32, 32)).size == (7, 7)
    assert receptive_field(dilated, (1, 32, 32)).size == (15, 15)


def test_a_whole_network():
    net = models.mobilenet_v1(num_classes=2)
    net.train()
    field = receptive_field(net, (3, 224, 224))
    assert field.size == (315 + 6 * 32,) * 2  # the mean over 7 x 7 units
    assert all(m.training for m in net.modules())


# -- the support of the gradient -------------------------------------------------------------------------------------------


def positive(layer):
    for p in layer.parameters():
        nn.init.constant_(p, 0.3)
    return layer


def shuffled(x):
    return F.pixel_shuffle(x, 2) + F.pad(F.pixel_shuffle(x, 2), (0, 0, 1, -1))


def unshuffled(x):
    H, W = (n // 2 * 2 for n in x.shape[2:])
    return F.pixel_unshuffle(x[..., :H, :W], 2)


def unfolded(x):
    """A 3 x 3 convolution with stride 2 as a matrix product."""
    H, W = ((n - 3) // 2 + 1 for n in x.shape[2:])
    return (F.unfold(x, 3, stride=2).sum(1)).reshape(x.shape[0], 1, H, W) * minidl.tensor(
        np.ones((1, 4, 1, 1), np.float32)
    )


def residual():
    layer = positive(nn.Conv2d(4, 4, 5, padding=2))
    return lambda x: x + layer(x)


def after(layer, function):
    positive(layer)
    return lambda x: layer(function(x))


PIECES = {
    "conv": lambda: positive(nn.Conv2d(4, 4, 3, padding=1)),
    "oblong": lambda: positive(nn.Conv2d(4, 4, (1, 4), stride=(2, 1), padding=(0, 2), groups=2)),
    "dilated": lambda: positive(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4)),
    "strided": lambda: positive(nn.Conv2d(4, 4, 3, stride=2, padding=1)),
    "up": lambda: positive(nn.ConvTranspose2d(4, 4, 4, stride=2, padding=1)),
    "up3": lambda: positive(nn.ConvTranspose2d(4, 4, 3, stride=3)),
    "pool": lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True),
    "pool2": lambda: nn.AvgPool2d(2),
    "bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "nearest": lambda: nn.Upsample(scale_factor=3),
    "residual": residual,
    "dense": lambda: after(nn.Conv2d(8, 4, 1), lambda x: F.cat([x, F.relu(F.avg_pool2d(x, 3, 1, 1))], 1)),
    "sub-pixels": lambda: after(nn.Conv2d(1, 4, 1), shuffled),
    "super-pixels": lambda: after(nn.Conv2d(16, 4, 1), unshuffled),
    "unfold": lambda: unfolded,
    "slices": lambda: lambda x: x[:, :, ::2] + x[..., ::2, :],
    "transposed twice": lambda: lambda x: F.permute(F.roll(F.permute(x, (3, 0, 1, 2)), 1, 2), (1, 2, 3, 0)),
    "reflect": lambda: lambda x: F.avg_pool2d(F.pad(x, (1, 1, 1, 1), "reflect"), 3, 1),
}


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=4), st.integers(25, 32), st.integers(25, 32))
def test_boxes_are_the_support_of_the_gradient(names, H, W):
    net = [PIECES[name]() for name in names]

    def f(x):
        for piece in net:
            assume(min(x.shape[2:]) > 5 and max(x.shape[2:]) < 100)
            x = piece(x)
        return x

    x = minidl.tensor(np.random.default_rng(0).random((1, 4, H, W), np.float32) + np.float32(0.1), requires_grad=True)
    y = f(x)
    shape = y.shape
    field = receptive_field(f, (4, H, W))
    for i in {0, shape[2] // 2, shape[2] // 2 + 1} & set(range(shape[2])):
        for j in {0, shape[3] // 2} & set(range(shape[3])):
            (g,) = minidl.grad(y[:, :, i, j].sum(), x, retain_graph=True)
            rows, cols = np.nonzero(g.data.any((0, 1, 3)))[0], np.nonzero(g.data.any((0, 1, 2)))[0]
            top, left, bottom, right = field.box(i, j)
            assert bottom - top <= field.size[0] and right - left <= field.size[1]
            seen = (rows[0], cols[0], rows[-1] + 1, cols[-1] + 1)
            if min(top, left) >= 0 and bottom <= H and right <= W:  # no padding is involved
                assert (top, left, bottom, right) == seen
            else:
                assert top <= seen[0] and left <= seen[1] and bottom >= seen[2] and right >= seen[3]


@pytest.mark.parametrize("name", sorted(PIECES))
def test_fields_do_not_depend_on_the_image(name):
    """Padding continues the pattern, so every image gives the same field; where units differ, the largest counts."""
    piece = PIECES[name]()
    net = lambda x: piece(F.avg_pool2d(F.avg_pool2d(piece(x), 2, 1, 1), 3, 1, 1))
    small, large = (receptive_field(net, (4, n, n)) for n in (24, 48))
    assert (small.size, small.stride, small.start) == (large.size, large.stride, large.start)


# -- global context and normalisation --------------------------------------------------------------------------------------


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return x * F.sigmoid(self.fc(F.mean(x, (2, 3)))).reshape(*x.shape[:2], 1, 1)


def test_a_gate_sees_the_whole_image_and_is_aligned():
    for gate in (Gate(), lambda x: F.sigmoid(F.adaptive_avg_pool2d(x, 1)) * x):
        field = receptive_field(gate, (4, 10, 12))
        assert field.size == (10, 12) and field.stride == (0, 0) and field.misaligned == ()
        assert field.box(3, 4) == (0, 0, 10, 12)


def test_a_layer_after_a_gate_still_sees_everything():
    field = receptive_field(lambda x: F.avg_pool2d(Gate()(F.avg_pool2d(x, 2)), 2), (4, 16, 16))
    assert field.size == (16, 16) and field.box(0, 0) == (0, 0, 16, 16)


def test_image_pooling_beside_convolutions():
    def aspp(x):
        pooled = F.interpolate(F.adaptive_avg_pool2d(x, 1), size=x.shape[2:], mode="bilinear")
        return F.cat([F.avg_pool2d(x, 3, 1, 1), pooled], 1)

    field = receptive_field(aspp, (4, 10, 10))
    assert field.misaligned == () and field.box(5, 5) == (0, 0, 10, 10)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.Softmax(1), nn.PReLU(4)]
)
def test_statistics_of_normalisation_are_left_out(norm):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Conv2d(4, 2, 3))
    assert receptive_field(net, (1, 12, 12)).size == (5, 5)
    before = norm.state_dict()
    assert all((before[name].data == value.data).all() for name, value in norm.state_dict().items())


def test_unpooling_and_adaptive_pooling():
    def segnet(x):
        y, index = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(F.avg_pool2d(y, 3, 1, 1), index, 2)

    field = receptive_field(segnet, (1, 16, 16))
    assert field.size == (6, 6) and field.stride == (1, 1) and field.box(4, 5) == (2, 2, 8, 8)
    field = receptive_field(nn.AdaptiveMaxPool2d((3, None)), (1, 10, 6))
    assert [field.box(i, 2) for i in range(3)] == [(0, 2, 4, 3), (3, 2, 7, 3), (6, 2, 10, 3)]


def test_attention_sees_everything():
    def attention(x):
        N, C, H, W = x.shape
        q = x.reshape(N, C, H * W)
        return (q @ F.softmax(F.transpose(q, 1, 2) @ q, -1)).reshape(x.shape)

    assert receptive_field(attention, (2, 6, 5)).box(1, 1) == (0, 0, 6, 5)


# -- misaligned branches ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "branch, shift",
    [
        (lambda x: F.avg_pool2d(x, 3, 2, 1), None),
        (lambda x: F.avg_pool2d(x, 2, 2), (0.5, 0.5)),
        (lambda x: F.avg_pool2d(F.pad(x, (0, 0, 2, 0)), (3, 1), 2), (-1.0, 0.0)),
        (lambda x: F.avg_pool2d(x, 3, 2, 1) * 2, None),
    ],
)
@pytest.mark.parametrize("join", [lambda a, b: a + b, lambda a, b: F.cat([a, b], 1), F.maximum])
def test_shifted_branches_are_reported(branch, shift, join):
    field = receptive_field(lambda x: join(x[:, :, ::2, ::2], branch(x)), (2, 12, 12))
    assert [m.shift for m in field.misaligned] == ([shift] if shift else [])
    assert all(m.shape[2:] == (6, 6) and m.op in ("add", "cat", "maximum") for m in field.misaligned)
    assert ("1 misaligned join" in str(field)) is bool(shift)


def test_cropping_off_centre_is_reported():
    def skip(offset):
        return lambda x: (
            F.crop(x, offset, 2, 8, 8) + F.interpolate(F.avg_pool2d(F.crop(x, 2, 2, 8, 8), 2), scale_factor=2)
        )

    assert receptive_field(skip(2), (1, 12, 12)).misaligned == ()
    (found,) = receptive_field(skip(3), (1, 12, 12)).misaligned
    assert found.shift == (-1.0, 0.0)


# -- results and errors ----------------------------------------------------------------------------------------------------


def test_result_reads_well():
    field = receptive_field(nn.Conv2d(1, 1, (3, 5), stride=(1, 2)), (1, 1, 9, 9))
    assert str(field) == "receptive field 3x5, stride 1x2, from (0, 0)"
    assert field.box(1, 1) == (1, 2, 4, 7) and field.centre == (1.0, 2.0)
    assert "ends" not in repr(field)
    assert receptive_field(nn.Upsample(scale_factor=2), (1, 4, 4)).stride == (0.5, 0.5)


def test_structured_outputs():
    fields = receptive_field(lambda x: {"out": F.avg_pool2d(x, 3), "aux": [x, F.avg_pool2d(x, 2)]}, (1, 9, 9))
    assert fields["out"].size == (3, 3) and [f.size for f in fields["aux"]] == [(1, 1), (2, 2)]


def test_errors():
    with pytest.raises(NotImplementedError, match="the operation gather has no rule"):
        receptive_field(lambda x: x.gather(3, np.zeros((1, 1, 4, 4), np.int64)), (1, 4, 4))
    with pytest.raises(ValueError, match=r"the tensor of shape \(1, 1, 4, 4\) was not computed from the input"):
        receptive_field(lambda x: x.detach() * 2, (1, 4, 4))
    with pytest.raises(ValueError, match=r"input_shape is \(4, 4\); needed \(N, C, H, W\) or \(C, H, W\)"):
        receptive_field(nn.ReLU(), (4, 4))
    from minidl.autograd import tape

    assert tape.observer is None and tape.is_grad_enabled()
