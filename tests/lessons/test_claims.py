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
