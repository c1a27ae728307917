"""What the lessons claim, read out of their committed outputs: numbers that the text rests on, and their order."""

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


def test_07_the_rule_of_hybrid_dilation_is_exact():
    text = printed("07")
    for agree, chains in re.findall(r"agree for (\d+) of (\d+) chains", text):
        assert agree == chains
    rows = re.findall(r"^\(([\d, ]+)\): M_2 = (\d+), allowed: (\w+)\s*, (\d+)% of the field", text, re.M)
    assert len(rows) == 6
    for dilations, gap, allowed, seen in rows:
        assert (allowed == "True") == (dilations.startswith("1,") and int(gap) <= 3) == (seen == "100")


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
    times = {
        name.strip(): float(factor)
        for name, factor in re.findall(
            r"^(loops|rows|tiled, 1 thread|winograd, 1 thread) +[\d.]+ +([\d.]+)$", text, re.M
        )
    }
    assert list(times.values()) == sorted(times.values()) and times["rows"] > 8


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
