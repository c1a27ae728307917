"""The claims of the lessons, checked against their committed outputs: the numbers in the text, and their order."""

import json
import re
from pathlib import Path

LESSONS = Path(__file__).parents[2] / "lessons"


def printed(number):
    """All that the cells of one lesson print."""
    (path,) = LESSONS.glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(o["text"]) for c in cells for o in c.get("outputs", ()) if o["output_type"] == "stream")


def found(pattern, text):
    """The groups of the pattern's only match, as numbers where they are numbers."""
    (match,) = re.finditer(pattern, text, re.M)
    return [
        float(g) if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", g) else g
        for g in (g.rstrip(",") for g in match.groups())
    ]


def test_00_the_numbers_by_hand_are_the_librarys():
    text = printed("00")
    ours, theirs = found(r"our network: (\S+)\s+the library: (\d\S+)", text)
    assert ours == theirs
    uniform, log3 = found(r"everywhere: (\S+), and log 3 = (\S+)", text)
    assert uniform == log3
    (accuracy,) = found(r"^pixel accuracy (\S+)", text)
    (mean,) = found(r"^mean IoU (\d\S+),", text)
    assert found(r"the library: pixel accuracy (\S+), mean IoU (\S+)", text) == [accuracy, mean]
    ious = [float(v) for v in re.findall(r"IoU of class \d: .* = (\S+)", text)]
    assert min(ious) == ious[2]  # "class 2"
    accuracy, mean = found(r"always background: pixel accuracy (\S+), mean IoU (\S+)", text)
    assert accuracy > 0.8 and mean < 1 / 3


def test_01_and_02_by_hand_and_by_the_library():
    text = printed("01")
    assert found(r"in a: (\S+)\s+in b: (\S+)", text) == [7, 2]
    first, last = found(r"loss (\S+) -> (\S+) in", text)
    assert last < 0.01 < first
    text = printed("02")
    loops, library = found(r"to the loops: (\S+) and to minidl: (\S+)", text)
    assert max(loops, library) < 1e-12
    (ratio,) = found(r"loops take (\d+) times", text)
    assert ratio > 300


def test_04_sliding_is_cutting_out_without_padding_only():
    text = printed("04")
    error, differ = found(r"without padding:\s+largest difference (\S+), (\d+) of 324", text)
    assert error < 1e-4 and differ == 0
    error, differ = found(r"with padding 2:\s+largest difference (\S+), (\d+) of 324", text)
    assert error > 0.1 and differ > 10
    assert all(said == digit for digit, said in re.findall(r"centred on the (\d), the network says (\S+)", text))
    (named,) = found(r"(\d+)% of \d+ digits are named right", text)
    peaks, sevens = found(r"in (\d+) of (\d+) scenes with a 7", text)
    assert named >= 80 and peaks >= 0.7 * sevens
    (saved,) = found(r"sliding: .* ([\d.]+) times fewer", text)
    assert saved > 4


def test_05_a_transposed_convolution_by_hand_and_the_grid_before_training():
    text = printed("05")
    assert "sum [  2.  20. 203.  30. 300.]" in text and "conv_transpose2d: [  2.  20. 203.  30. 300.]" in text
    assert "transpose of each other: True" in text
    excess = re.findall(r"^(transposed, kernel \d|resize, then conv 3) +([\d.]+) +([\d.]+)$", text, re.M)
    assert [float(two) > 100 for _, two, _ in excess] == [True, True, False]


def test_07_the_rule_of_hybrid_dilation_is_exact():
    text = printed("07")
    for agree, chains in re.findall(r"agree for (\d+) of (\d+) chains", text):
        assert agree == chains
    rows = re.findall(r"^\(([\d, ]+)\): M_2 = (\d+), allowed: (\w+)\s*, (\d+)% of the field", text, re.M)
    assert len(rows) == 6
    for dilations, gap, allowed, seen in rows:
        assert (allowed == "True") == (dilations.startswith("1,") and int(gap) <= 3) == (seen == "100")


def test_09_one_box_by_hand_and_what_rounding_costs():
    text = printed("09")
    mean, library = found(r"mean of the four: (\S+)\s+F.roi_align: (\S+)", text)
    assert mean == library == 4.9375
    largest, library = found(r"largest of the four points: (\S+)\s+F.roi_align\(mode=\"max\"\): (\S+)", text)
    assert largest == library == 7
    ious = {
        (m, int(s)): float(v)
        for m, s, v in re.findall(r"^(ROI \w+) +stride +(\d+): mean IoU of masks (\S+)", text, re.M)
    }
    assert all(ious["ROI Align", s] > ious["ROI Pool", s] + 0.05 for s in (4, 8, 16))


def test_10_both_definitions_give_the_same_labels_and_two_iterations_do_most():
    text = printed("10")
    (error,) = found(r"includes j = i: largest difference (\S+)", text)
    (changed,) = found(r"(\d+) of 2304 labels; weight", text)
    assert error < 1e-4 and changed == 0
    after = [float(v) for v in found(r"10 iterations: ([\d. ]+)", text)[0].split()]
    assert after == sorted(after) and after[2] - after[0] > 0.9 * (after[4] - after[0])
    border, elsewhere = found(r"at the border (\S+), elsewhere (\S+)", text)
    assert border > 10 * elsewhere


def test_11_orders_of_a_sum_differ_and_the_ladder_rises():
    text = printed("11")
    left, lanes, halves = (float(e) for e in re.findall(r"relative error (\S+)", text))
    assert left > lanes > halves
    assert "(a + b) + c = 1.0   a + (b + c) = 0.0" in text
    speeds = {n: float(v) for n, v in re.findall(r"^(\S+): [\d.]+ ms, ([\d.]+) GFLOP/s", text, re.M)}
    steps = ["loops", "im2col", "packed", "micro-kernel", "implicit_gemm", "winograd"]
    assert [speeds[step] for step in steps] == sorted(speeds[step] for step in steps)
    blocks = {
        n: float(v) for n, v in re.findall(r"^block of (6 x 1|4 x 2|6 x 2) vectors: +([\d.]+) GFLOP/s", text, re.M)
    }
    assert blocks["6 x 1"] < 0.85 * blocks["6 x 2"] and blocks["6 x 2"] > 0.95 * max(blocks.values())


def test_12_what_the_simulator_counts():
    text = printed("12")
    assert "CUDA C agrees: True" in text and "thread (232,0,0): out of bounds" in text
    assert text.count("right: True") >= 5 and "right: False" in text  # the race
    assert re.search(r"scatter: 10 runs, \d+ different", text) and "gather: 10 runs, 1 different result" in text


def test_20_each_stream_helps_and_the_finest_is_missed_most():
    text = printed("20")
    here, library, error = found(
        r"parameters: (\d+) here, (\d+) in models.FCN; largest difference of scores (\S+)", text
    )
    assert here == library and error < 1e-5
    ious = {n.strip(): float(v) for n, v in re.findall(r"^(FCN-\S+(?: fixed)?) +mean IoU (\d\.\d+)", text, re.M)}
    assert ious["FCN-32s fixed"] < ious["FCN-32s"] < ious["FCN-16s"] - 0.05 < ious["FCN-8s"] - 0.1
    without = {int(s): float(v) for s, v in re.findall(r"stream at stride (\d+): mean IoU (\S+)", text)}
    assert without[8] < without[16] - 0.05 and without[16] < without[32]


def test_21_the_stack_is_best_for_borders_and_not_for_meaning():
    text = printed("21")
    rows = re.findall(
        r"^(pool\d|all, stacked) +edges (\S+)% \((\S+)% to (\S+)%\) +zero or one (\S+)% \((\S+)% to (\S+)%\)",
        text,
        re.M,
    )
    values = {row[0]: [float(v) for v in row[1:]] for row in rows}
    stack = values.pop("all, stacked")
    assert stack[1] > max(v[2] for v in values.values())  # the worst stack finds borders better than the best layer
    assert values["pool3"][4] > stack[5]  # pool3 knows the digit better in every run
    digits = [(float(z), float(o)) for z, o in re.findall(r"^seed \d: .* zero (\S+), one (\S+)$", text, re.M)]
    assert len(digits) == 3 and all(zero < one for zero, one in digits)


def test_22_the_copies_draw_borders():
    text = printed("22")
    here, library, error = found(r"parameters: (\d+) here, (\d+) in models.unet_small; .* (\S+)$", text)
    assert here == library and error == 0
    ((_, with_copies), (_, without)) = re.findall(r"^(with|without) copies +IoU of 'any digit' (\S+)", text, re.M)
    assert float(with_copies) > float(without) + 0.05
    whole, cut = found(r"mean IoU with copies (\S+), without (\S+)", text)
    assert whole >= 0.78 and whole > cut + 0.05
    classes = [float(v) for v in re.findall(r"^\d +IoU (\S+)", text, re.M)]
    assert len(classes) == 3 and min(classes) > 0.7


def test_23_the_networks_written_out_are_the_librarys_and_the_orders_hold():
    text = printed("23")
    here, library, error = found(r"parameters: (\d+) here, (\d+) in the library; .* (\S+)$", text)
    assert here == library and error < 1e-5 and found(r"difference of scores: (\S+)", text) == [0]
    rows = re.findall(r"^(\S.*?) +([\d.]+) +near borders +([\d.]+)$", text, re.M)
    ious, borders = {name: float(iou) for name, iou, _ in rows}, {name: float(near) for name, _, near in rows}
    assert ious["v3, output stride 32"] < ious["v3, output stride 16"] - 10 < ious["v3, output stride 8"] - 20
    crf, v1 = "v1, LargeFOV, CRF", "v1, rate 4 (LargeFOV)"
    assert borders[crf] - borders[v1] > ious[crf] - ious[v1] > 10  # more near borders
    assert ious[crf] > ious["MobileNetV2, v3+"] > ious["MobileNetV2, no decoder"] + 10


def test_24_heads_are_the_librarys_and_competition_costs_with_the_class_given_to_both():
    text = printed("24")
    for here, library, error in re.findall(r"parameters: (\d+) here, (\d+) in the library; .* (\S+)$", text, re.M):
        assert here == library and float(error) < 1e-5
    runs = {
        n: [float(v) for v in vs.split()]
        for n, vs in re.findall(r"^(s\w+, [\w ]+?) +mean IoU of masks ([\d. ]+)$", text, re.M)
    }
    given, sigmoid = runs["softmax, class given"], runs["sigmoid, class given"]
    assert (
        len(sigmoid) == 3
        and min(sigmoid) > max(given) + 0.03
        and min(given) > max(runs["softmax, must find the class"]) + 0.2
    )


def test_24_larger_objects_are_found_more_often_and_not_drawn_more_exactly():
    text = printed("24")
    smaller, larger = (found(rf"^{name} half: (\d+)% of .*masks (\S+)$", text) for name in ("smaller", "larger"))
    assert larger[0] > smaller[0] and larger[1] < smaller[1]
    boxes, masks = (found(rf"^{name} .*'AP75': (\S+)}}$", text)[0] for name in ("boxes", "masks"))
    assert masks < boxes - 0.1


def test_25_the_long_concatenation_is_missed_and_the_short_one_is_not():
    text = printed("25")
    here, library, error = found(r"parameters: (\d+) here, (\d+) in models.liteseg_small; .* (\S+)$", text)
    assert here == library and error < 1e-5
    runs = {n: [float(v) for v in vs.split()] for n, vs in re.findall(r"^(\S.*?) +mean IoU ([\d. ]+)$", text, re.M)}
    whole, short, long = (runs[n] for n in ("LiteSeg, MobileNetV2", "without the short one", "without the long one"))
    assert len(whole) == len(short) == len(long) == 3 and max(long) < min(whole) - 0.05
    assert abs(sum(short) - sum(whole)) / 3 < max(whole) - min(whole)  # no result
    heavy = runs.pop("LiteSeg, Darknet")
    assert len(heavy) == 3 and min(heavy) > max(map(max, runs.values()))  # Darknet leads in every run
    assert runs["ENet"][0] == min(map(min, runs.values()))
    paper, _, with_classifier = found(
        r"^liteseg +paper +(\S+) M, here +(\S+) M, with an ImageNet classifier +(\S+) M", text
    )
    assert paper == with_classifier


def test_26_weights_of_others_serve_for_something_else():
    text = printed("26")
    blocks, steps = (
        sum(float(v.replace(",", "")) for v in re.findall(rf"^(?:{names}) +([\d,]+) parameters", text, re.M))
        for names in ("blocks", "step8|step4|step2")
    )
    assert blocks / 106_401 > 0.8 and 13 < 106_401 / steps < 15  # "one parameter in fourteen"
    person, cat = found(r"person: (\d+)% of the first image, (\d+)% of the second", text)
    assert 40 < person < 70 and cat < 5
    sure, unsure = found(r"undecided, between 0.1 and 0.9: ([\d.]+)% and ([\d.]+)%", text)
    assert sure < unsure
    deep, scores = (
        found(rf"^{name} *: half of the change lies within +([\d.]+)", text)[0] for name in ("stride 16", "scores")
    )
    assert abs(scores / deep - 1) < 0.1
    before, after = (found(rf"border, {name}: +([\d.]+)", text)[0] for name in ("network ", "with CRF"))
    assert after > before
    published, fresh = (
        found(rf"way down {name} *: .*IoU of the digits ([\d.]+)", text)[0] for name in ("as published", "at random")
    )
    assert published > 0.6 and fresh < 0.1


def test_27_ranks_do_what_one_process_does():
    text = printed("27")
    assert max(map(float, re.findall(r"transfers, largest error (\S+)", text))) < 1e-12
    tree, ring = found(r"64 ranks with latency: tree (\S+), ring (\S+)", text)
    assert tree < ring
    assert found(r"^ring : .* 64 ranks (\S+)$", text)[0] < 2.1
    (plain,) = found(r"plain mean: relative difference (\S+)", text)
    (weighted,) = found(r"weighted  : relative difference (\S+)", text)
    assert weighted < 1e-5 < plain
    dark, bright = found(r"the whole batch: mean of the dark images (\S+), of the bright ones +(\S+)", text)
    assert bright - dark > 0.5
    dark, bright = found(r"each rank alone: mean of the dark images (\S+), of the bright ones +(\S+)", text)
    assert abs(bright - dark) < 0.01
    assert found(r"synchronised against the whole batch: largest difference (\S+)", text)[0] < 1e-5
    for name in ("losses    ", "parameters"):
        difference, largest = found(rf"^{name}: largest difference (\S+), of at most (\S+)", text)
        assert difference < 1e-5 * largest
    seamed, blended = (
        found(rf"^{name} *: (\S+)% of the mask", text)[0] for name in ("tiles by themselves", "context and blending")
    )
    assert blended == 0 < seamed
    hidden = [float(v) for v in re.findall(r"hidden +(\d+)%", text)]
    assert hidden[-1] == 0 and max(hidden) > 80 and hidden[0] < 10
