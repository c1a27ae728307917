"""Figures: their content and text, legibility in grey, and that they change no window or global state."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minidl import backend, models, plot
from minidl.analysis.checkerboard import overlap_map
from minidl.analysis.receptive_field import receptive_field
from minidl.data.overlay import paint

CLASSES = ("background", "square", "stripe")
COLORS = np.array([(0, 0, 0), (230, 25, 75), (60, 180, 75)], np.uint8)


def scene():
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    mask = np.zeros((24, 32), np.uint8)
    mask[4:14, 4:16] = 1
    mask[18:22] = 2
    return image, mask


def texts(figure):
    from matplotlib.text import Text

    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def drawn(figure, tmp_path):
    """The figure as pixels, having been written."""
    plot.save(figure, tmp_path / "f.png")
    assert [p.name for p in tmp_path.iterdir()] == ["f.png"]
    with Image.open(tmp_path / "f.png") as picture:
        return np.array(picture.convert("RGB"))


def test_paint():
    image, mask = scene()
    before = image.copy()
    out = paint(image, mask, COLORS, alpha=0.5, background=0)
    assert out.dtype == np.uint8 and np.array_equal(image, before)
    assert np.array_equal(out[0], image[0])  # background is left alone
    assert np.array_equal(out[8, 8], (0.5 * image[8, 8] + 0.5 * COLORS[1] + 0.5).astype(np.uint8))
    assert (out[8, 15] == 255).all() and (out[3, 8] == 255).all()  # borders
    assert np.array_equal(paint(image, np.full_like(mask, 7), COLORS), image)  # labels without a colour
    checkerboard = np.indices(mask.shape).sum(axis=0) % 2
    assert np.array_equal(paint(image, checkerboard, COLORS, 0.0), image)  # single pixels have no borders
    with pytest.raises(ValueError, match=r"paint: image is uint8 \(24, 32, 3\), mask \(4, 4\)"):
        paint(image, mask[:4, :4], COLORS)
    with pytest.raises(ValueError, match="float64"):
        paint(image / 255, mask, COLORS)


def test_overlay_names_what_it_shows(tmp_path):
    image, mask = scene()
    figure = plot.overlay(image, mask, CLASSES, COLORS, "A scene", background=0)
    said = texts(figure)
    assert "A scene" in said and said.count("square") == 2 and said.count("stripe") == 2  # in the region and the legend
    assert any(t.startswith("mostly background 68%") for t in said)
    assert drawn(figure, tmp_path).std() > 10


def test_comparison_scores_each_prediction(tmp_path):
    image, mask = scene()
    half = mask.copy()
    half[mask == 2] = 0
    figure = plot.comparison(
        [image, image], {"truth": [mask] * 2, "good": [mask] * 2, "half": [half] * 2}, CLASSES, COLORS
    )
    said = texts(figure)
    background = (24 * 32 - 120 - 128) / (24 * 32 - 120)
    assert said.count("IoU 1.00") == 2 and said.count(f"IoU {(background + 1 + 0) / 3:.2f}") == 2
    assert len(figure.axes) == 8 and {"image", "truth", "good", "half"} <= set(said)
    drawn(figure, tmp_path)


def test_curves_state_the_best_epoch(tmp_path):
    history = [
        {"epoch": e, "train_loss": 1 / e, "train_iou": 1 - 1 / e, "val_loss": 1.1 / e, "val_iou": iou}
        for e, iou in ((1, 0.2), (2, 0.6), (3, 0.5))
    ]
    figure = plot.curves(history)
    assert any("best after epoch 2: 0.600" in t for t in texts(figure))
    left, right = figure.axes
    assert (left.get_xlabel(), left.get_ylabel(), right.get_ylabel()) == ("epoch", "loss", "mean IoU")
    dashes = {line.get_linestyle() for line in left.lines}
    assert dashes == {"-", "--"}  # told apart without colour
    drawn(figure, tmp_path)
    detector = plot.curves([{"epoch": e, "train_loss": 1.0, "val_ap": ap} for e, ap in ((1, 0.4), (2, 0.3))])
    assert any("AP on validation data is best after epoch 1: 0.400" in t for t in texts(detector))
    with pytest.raises(ValueError, match="needed a score"):
        plot.curves([{"epoch": 1, "train_loss": 1.0}])
    alone = plot.curves([{"epoch": 1, "train_loss": 1.0, "train_iou": 0.3}])
    assert any("on training data" in t for t in texts(alone))
    with pytest.raises(ValueError, match="empty"):
        plot.curves([])
    several = plot.scores({"a": history, "b": history}, "Title")
    assert {"a", "b", "Title"} <= set(texts(several)) and len({x.get_linestyle() for x in several.axes[0].lines}) == 2


def test_overlaps_and_spectra(tmp_path):
    maps = {k: overlap_map({"kernel_size": k, "stride": 2}, (10, 10)) for k in (3, 4)}
    figure = plot.overlaps(maps | {"line": overlap_map({"kernel_size": 3, "stride": 2}, 10)}, "Uneven")
    said = texts(figure)
    assert "3\n4 against 1 times" in said and "4\neven" in said and "line\n2 against 1 times" in said
    drawn(figure, tmp_path)
    noise = np.random.default_rng(0).standard_normal((32, 32))
    spectrum = plot.spectra({"noise": noise, "stripes": noise + np.arange(32) % 2})
    assert spectrum.axes[0].get_xlabel() == "frequency (cycles per pixel)" and "noise" in texts(spectrum)


def test_receptive_fields_are_centred_and_say_their_size(tmp_path):
    with backend.use("reference"):
        fields = receptive_field(models.backbones.vgg_small(base=2).pyramid, (3, 64, 64))
    image = np.zeros((64, 64, 3), np.uint8)
    figure = plot.receptive_fields(image, fields)
    from matplotlib.patches import Rectangle

    boxes = [p for p in figure.axes[0].patches if isinstance(p, Rectangle)]
    widths = sorted({p.get_width() for p in boxes})
    assert widths == [max(f.size) for f in fields.values()]
    for p in boxes:
        assert abs(p.get_x() + p.get_width() / 2 - 32) <= 16  # within half a cell of the coarsest map
    assert any("pool5" in t and "more than the image" in t for t in texts(figure))
    drawn(figure, tmp_path)


def test_class_colours_need_not_be_seen(tmp_path):
    """In grey, the names and the borders of the regions are still there."""
    image, mask = scene()
    grey = np.full_like(image, 128)
    same = np.array([(128, 128, 128)] * 3, np.uint8)
    with_border = paint(grey, mask, same)
    assert (with_border == 255).any()


def test_nothing_global_changes_and_matplotlib_waits():
    code = """
import sys, numpy as np
import minidl.plot
assert "matplotlib" not in sys.modules
import matplotlib
from minidl.plot.style import STYLE
before = {name: matplotlib.rcParams[name] for name in STYLE}
figure = minidl.plot.curves([{"epoch": 1, "train_loss": 1.0, "train_iou": 0.3}])
picture, metadata = figure._repr_png_()
assert picture[:4] == b"\\x89PNG" and "training: from 1 at 1" in metadata["alt"]
assert {name: matplotlib.rcParams[name] for name in STYLE} == before != STYLE
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_figure_that_cannot_be_written(tmp_path):
    figure = plot.curves([{"epoch": 1, "train_loss": 1.0, "train_iou": 0.3}])
    with pytest.raises(ValueError, match="xyz"):
        plot.save(figure, tmp_path / "f.xyz")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError):
        plot.save(figure, tmp_path / "no" / "f.png")


def test_beliefs_share_their_scales(tmp_path):
    from minidl.crf import DenseCRF, Gaussian

    unary = np.random.default_rng(0).random((2, 6, 8)).astype(np.float32)
    trace = DenseCRF(None, [Gaussian()], exact=True).inference(unary, 4, history=True)
    figure = plot.beliefs(trace, 1, (0, 1, 4), "Neighbours agree")
    maps = [ax for ax in figure.axes if ax.images and not ax.get_ylabel()]
    assert len(maps) == 6 and {"0 iterations", "1 iteration", "4 iterations", "score", "belief"} <= set(texts(figure))
    for column, t in enumerate((0, 1, 4)):
        for row, values in enumerate((trace.scores, trace.beliefs)):
            assert np.array_equal(maps[3 * row + column].images[0].get_array(), values[t, 1])
    assert len({ax.images[0].get_clim() for ax in maps[:3]}) == 1
    assert {ax.images[0].get_clim() for ax in maps[3:]} == {(0, 1)}
    drawn(figure, tmp_path)
    for wrong in ({"label": 2}, {"iterations": (5,)}, {"iterations": ()}):
        with pytest.raises(ValueError, match=r"beliefs: label .* labels 0..1 and iterations 0..4"):
            plot.beliefs(trace, **({"label": 1, "iterations": (0,)} | wrong))
    with pytest.raises(ValueError, match="of one image"):
        plot.beliefs(DenseCRF(None, [Gaussian()], exact=True).inference(unary[None], 1, history=True), 1, (0,))


def test_roi_samples_shows_what_is_read(tmp_path):
    from matplotlib.patches import Rectangle

    from minidl import functional as F
    from minidl import tensor

    features, box = np.arange(48.0).reshape(6, 8), (1.3, 0.6, 4.5, 3.4)
    figure = plot.roi_samples(features, box, 2, 2, title="Between pixels")
    pool, align = figure.axes
    bins = [p for p in pool.patches if isinstance(p, Rectangle)][1:]
    x = tensor(features[None, None])
    with backend.use("reference"):
        pooled = F.roi_pool(x, [np.array([box])], 2).data.ravel()
        aligned = F.roi_align(x, [np.array([box])], 2, sampling_ratio=2, aligned=True).data.mean()
    for p, value in zip(bins, pooled):
        left, top = round(p.get_x() - 0.06), round(p.get_y() - 0.06)
        width, height = round(p.get_width() + 0.12), round(p.get_height() + 0.12)
        assert features[top : top + height, left : left + width].max() == value
    px, py = align.lines[-1].get_data()
    assert len(px) == 16 and np.isclose((8 * (py - 0.5) + px - 0.5).mean(), aligned)  # the map is linear
    shifted = plot.roi_samples(features, box, 2, 2, aligned=False).axes[1].lines[-1].get_data()
    assert np.allclose(shifted, np.add((px, py), 0.5))
    drawn(figure, tmp_path)
    with pytest.raises(ValueError, match=r"roi_samples: .*needed"):
        plot.roi_samples(features, (3, 0, 1, 2))


def test_instances_keep_what_is_sure(tmp_path):
    from matplotlib.patches import Rectangle

    image, mask = scene()
    masks = np.stack([mask == 1, mask == 2]).astype(np.float32)
    found = {
        "boxes": np.array([[4, 4, 16, 14], [0, 18, 32, 22]]),
        "labels": [1, 2],
        "scores": [0.9, 0.4],
        "masks": masks,
    }
    figure = plot.instances([image, image], [found, found | {"scores": [0.9, 0.8]}], CLASSES, "Found")
    boxes = [[p for p in ax.patches if isinstance(p, Rectangle)] for ax in figure.axes]
    assert [len(b) for b in boxes] == [1, 2] and boxes[0][0].get_bbox().bounds == (4, 4, 12, 10)
    assert {"square 0.90", "stripe 0.80", "1 object", "2 objects"} <= set(texts(figure))
    assert "stripe 0.40" not in texts(figure)
    shown = figure.axes[0].images[0].get_array()
    assert not np.array_equal(shown[80, 80], image[8, 8]) and np.array_equal(shown[200, 50], image[20, 5])
    drawn(figure, tmp_path)
    truth = {name: found[name] for name in ("boxes", "labels")}
    assert "square" in texts(plot.instances([image], [truth], CLASSES))
    with pytest.raises(ValueError, match="1 images and 0 detections"):
        plot.instances([image], [], CLASSES)


TRUTH = np.array([(4, 4, 16, 14.0), (20, 2, 30, 20)])


def frames(ax):
    """The boxes drawn on an axis, each once: (x1, y1, x2, y2)."""
    from matplotlib.patches import Rectangle

    sides = [(*p.get_xy(), p.get_width(), p.get_height()) for p in ax.patches if isinstance(p, Rectangle)]
    return {(x, y, x + w, y + h) for x, y, w, h in sides}


def test_boxes_say_what_they_hold(tmp_path):
    image, _ = scene()
    figure = plot.boxes(image, TRUTH, [1, 2], [0.25, 0.75], CLASSES, "Two boxes")
    assert {"square 0.25", "stripe 0.75", "Two boxes"} <= set(texts(figure))
    assert frames(figure.axes[0]) == set(map(tuple, TRUTH))
    drawn(figure, tmp_path)
    assert "2" in texts(plot.boxes(image, TRUTH, [1, 2])) and not frames(plot.boxes(image, []).axes[0])
    with pytest.raises(ValueError, match=r"boxes: boxes are \(2, 3\); needed K x 4"):
        plot.boxes(image, TRUTH[:, :3])
    with pytest.raises(ValueError, match=r"2 boxes, scores \(1,\)"):
        plot.boxes(image, TRUTH, scores=[0.5])


def test_anchors_of_one_place_and_dots_at_all(tmp_path):
    image, _ = scene()
    y, x = np.mgrid[2:24:8, 2:32:8]
    centres = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
    level = (centres + np.array([(-8, -4, 8, 4), (-4, -8, 4, 8)])).reshape(-1, 4)
    figure = plot.anchors(image, {"stride 8": level, "wide": level + np.array([-10, 0, 10, 0])}, "Anchors")
    assert "stride 8: 2 at each of 12 places" in texts(figure)
    left, right = figure.axes
    assert frames(left) == {(2, 6, 18, 14), (6, 2, 14, 18)}  # around (10, 10)
    assert left.lines[0].get_xydata().shape == (12, 2)
    assert len({p.get_linestyle() for p in left.patches}) > 1  # told apart without colour
    assert right.get_xlim()[0] < -8 and right.get_xlim()[1] > 32  # room for what reaches out of the image
    drawn(figure, tmp_path)
    with pytest.raises(ValueError, match="levels is empty"):
        plot.anchors(image, {})


def test_assignments_count_each_kind(tmp_path):
    image, _ = scene()
    some = np.concatenate(
        [TRUTH + 1, TRUTH + np.array([0, 0, 6, 6]), np.tile([0, 0, 3, 3], (50, 1)) + np.arange(50)[:, None] / 4]
    )
    matched = np.array([0, 1, -2, -2, *[-1] * 50])
    figure = plot.assignments(image, some, matched, TRUTH, title="Told")
    assert {"2 positive", "2 ignored", "50 negative, 40 drawn"} <= set(texts(figure))
    objects = set(map(tuple, TRUTH))
    assert [len(frames(ax) - objects) for ax in figure.axes] == [2, 2, 40]
    assert all(objects <= frames(ax) for ax in figure.axes)
    drawn(figure, tmp_path)
    nothing = plot.assignments(image, some, np.full(54, -1), [])
    assert "0 positive" in texts(nothing)
    with pytest.raises(ValueError, match=r"values \[0, 1, 2\]; needed"):
        plot.assignments(image, some[:3], [0, 1, 2], TRUTH)


def test_proposals_say_how_many_objects_they_cover(tmp_path):
    image, _ = scene()
    some = np.concatenate([TRUTH[:1] + 0.5, np.tile([0, 0, 3, 3], (9, 1)), TRUTH[1:]])
    figure = plot.proposals(image, some, [0.9, *np.linspace(0.8, 0.2, 9), 0.1], TRUTH, most=5)
    assert "the best 5 of 11 cover 1 of 2 objects" in texts(figure)
    assert "the best 11 of 11 cover 2 of 2 objects" in texts(plot.proposals(image, some, np.ones(11), TRUTH))
    drawn(figure, tmp_path)
    with pytest.raises(ValueError, match=r"proposals: 11 boxes, scores \(3,\)"):
        plot.proposals(image, some, [1, 2, 3])


def test_sampled_rois_show_points_and_what_is_read(tmp_path):
    ramp = np.repeat(np.arange(24, dtype=np.uint8)[:, None, None] * 10, 32, axis=1).repeat(3, axis=2)
    figure = plot.sampled_rois(ramp, TRUTH, 2, 3, ["a", "b"], "Sampled")
    main, first, second = figure.axes
    assert frames(main) == set(map(tuple, TRUTH))
    x, y = main.lines[0].get_xydata().T
    np.testing.assert_allclose(np.unique(x), 4 + (np.arange(6) + 0.5) * 2)
    np.testing.assert_allclose(np.unique(y), 4 + (np.arange(6) + 0.5) * 10 / 6)
    read = first.images[0].get_array()  # rows of a ramp: the mean of a bin is what is at its centre, less half a pixel
    assert read.shape == (2, 2, 3) and np.abs(read[:, 0, 0].astype(float) - [60, 110]).max() <= 1
    assert {"a: 2x2", "b: 2x2", "Sampled"} <= set(texts(figure)) and second.images[0].get_array().shape == (2, 2, 3)
    drawn(figure, tmp_path)
    for boxes, options in ((TRUTH[:, ::-1], {}), ([], {}), (TRUTH, {"output_size": 0}), (TRUTH, {"names": ["a"]})):
        with pytest.raises(ValueError, match=r"sampled_rois: .*needed"):
            plot.sampled_rois(ramp, boxes, **options)


def test_class_masks_frame_the_one_that_is_taken(tmp_path):
    masks = np.random.default_rng(0).random((3, 14, 14))
    figure = plot.class_masks(masks, CLASSES, 1, crop=np.zeros((9, 9, 3), np.uint8), title="Masks")
    assert {"image", "background", "square, taken", "stripe", "probability"} <= set(texts(figure))
    seen = [ax.spines["left"].get_visible() for ax in figure.axes[:4]]
    assert seen == [False, False, True, False]
    assert all(ax.images[0].get_clim() == (0, 1) for ax in figure.axes[1:4])  # one scale
    drawn(figure, tmp_path)
    assert plot.class_masks(masks, CLASSES, 0).axes[0].spines["left"].get_visible()
    with pytest.raises(ValueError, match=r"masks \(3, 14, 14\), 2 classes"):
        plot.class_masks(masks, CLASSES[:2], 1)


def test_precision_recall_names_the_average_precision(tmp_path):
    recall = np.linspace(0, 1, 101)
    figure = plot.precision_recall(
        {"IoU 0.5": (recall, np.full(101, 0.75)), "IoU 0.9": (recall, recall < 0.5)}, "Strict"
    )
    assert {"IoU 0.5: AP 0.750", "IoU 0.9: AP 0.495", "recall", "precision"} <= set(texts(figure))
    assert len({line.get_linestyle() for line in figure.axes[0].lines}) == 2
    drawn(figure, tmp_path)
    with pytest.raises(ValueError, match="curves is empty"):
        plot.precision_recall({})


def test_names_of_networks_keep_apart(tmp_path):
    from minidl.analysis.cost import Cost

    near = [
        Cost(f"network number {k}", (64, 64), 10**6, n, 1, 1, None, 8, None) for k, n in enumerate((10**9, 1010000000))
    ]
    accuracy = {near[0].name: 0.8, near[1].name: 0.801}
    figure = plot.costs(near, accuracy, "Two of a kind")
    first, second = (t.get_window_extent() for t in figure.axes[0].texts)
    assert not first.overlaps(second)
    assert figure.axes[0].get_ylabel() == "mean IoU" and plot.costs(near).axes[0].get_yscale() == "log"
    drawn(figure, tmp_path)


def test_cells_hold_their_values(tmp_path):
    plane = np.array([[1, 2.5], [30, 4]])
    assert {"1", "2.5", "30", "4"} <= set(texts(plot.images({"a": plane}, values=True)))
    assert not set(texts(plot.images({"a": plane}))) & {"2.5", "30"}
    colours = np.zeros((2, 2, 3), np.uint8)
    assert "0" not in texts(plot.images({"a": colours}, values=True))  # colours have no one value
    assert len(np.unique(drawn(plot.images({"a": plane}, values=True), tmp_path))) > 4


def test_a_figure_in_words():
    x = [1, 2, 3]
    figure = plot.lines({"loss": (x, [3.0, 2.0, 1.5])}, "step", "value", "It falls")
    assert figure._repr_png_()[1] == {"alt": "It falls. value over step, loss: from 3 at 1 to 1.5 at 3."}
    figure = plot.images({"left": np.zeros((4, 6)), "right": np.ones((4, 6))}, "Two", colorbar="scale")
    assert figure._repr_png_()[1]["alt"].count("a picture of 4 x 6 pixels") == 2
    assert plot.images({"a": np.zeros((2, 2))}, alt="Nothing to see.")._repr_png_()[1] == {"alt": "Nothing to see."}


def test_architecture_names_every_map_and_layer(tmp_path):
    maps = {"image": (0, 0, 3, 64), "features": (1, 0, 16, 32), "scores": (2, 0, 4, 64)}
    figure = plot.architecture(
        maps, [("image", "features", "conv"), ("features", "scores", ""), ("image", "scores", "")]
    )
    said = texts(figure)
    assert {"image\n3 x 64²", "features\n16 x 32²", "scores\n4 x 64²", "conv"} <= set(said)
    arrows = [t for t in figure.axes[0].texts if getattr(t, "arrow_patch", None)]
    assert [a.arrow_patch.get_linestyle() for a in arrows] == ["-", "--", "--"]
    assert drawn(figure, tmp_path).min() < 100
