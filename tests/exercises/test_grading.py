"""Grading: right, half right and hostile submissions; the files that come out."""

import csv
import json
import shutil
from pathlib import Path

import hostile
import pytest

from minidl import cli
from minidl.exercises import EXERCISES, find
from minidl.exercises.grading import pages, wire
from minidl.exercises.grading.process import Limits, outcomes
from minidl.exercises.grading.score import Graded, Mark, grade, submissions
from minidl.exercises.report import suspects_of

LESSONS = Path(__file__).parents[2] / "lessons"
QUICK = ("endless", "hard_exit", "writes", "garbage_on_every_descriptor")
LIMITS = Limits(seconds=60, case_seconds=1)
HALF = """
import numpy as np

def im2col(x, kernel, stride, padding):  # the padding is forgotten
    N, C, H, W = x.shape
    Ho, Wo = ((n - kernel) // stride + 1 for n in (H, W))
    cols = np.empty((N, C, kernel, kernel, Ho, Wo))
    for k in range(kernel):
        for l in range(kernel):
            cols[:, :, k, l] = x[:, :, k : k + (Ho - 1) * stride + 1 : stride, l : l + (Wo - 1) * stride + 1 : stride]
    return cols.reshape(N, C * kernel * kernel, -1)
"""


def graded(folder, names, **limits):
    return {g.name: g for g in grade(submissions(folder), [find(n) for n in names], Limits(**vars(LIMITS) | limits), 2)}


def test_a_half_right_answer_gets_its_share_and_the_cause(tmp_path):
    (tmp_path / "ada.py").write_text(HALF)
    (tmp_path / "bob").mkdir()
    shutil.copy(LESSONS / "solutions" / "im2col.py", tmp_path / "bob")
    found = graded(tmp_path, ["im2col", "mean_iou"])
    share = [case["padding"] == 0 for case in suspects_of("im2col", LIMITS.seed, LIMITS.drawn).cases]
    ada, missing = found["ada"].marks
    assert 0 < ada.score < 1 and ada.score == pytest.approx(sum(share) / len(share))
    assert any("sure" in line and "the padding is left out" in line for line in ada.lines)
    assert missing.missing and missing.score == 0 and missing.lines == ["not handed in"]
    assert found["bob"].total == 1


def test_hidden_cases_are_drawn_from_the_seed():
    first, again, other = (suspects_of("im2col", seed, 4).cases for seed in (1, 1, 2))
    fixed = len(EXERCISES["im2col"].cases)
    assert len(first) == fixed + 4
    assert all((a["x"] == b["x"]).all() for a, b in zip(first, again))
    assert all(a["x"].shape != b["x"].shape or (a["x"] != b["x"]).any() for a, b in zip(first[fixed:], other[fixed:]))


def harmless(tmp_path, names):
    victim = tmp_path / "victim"
    (victim / "inside").mkdir(parents=True)
    hostile.write(tmp_path / "handed_in", victim, names)
    found = graded(tmp_path / "handed_in", ["im2col", "col2im"])
    assert list(found) == sorted(names)
    for name, one in found.items():
        assert [mark.score for mark in one.marks] == [0, 1], (name, [mark.lines for mark in one.marks])
        assert one.marks[0].lines
    assert [p.name for p in victim.iterdir()] == ["inside"]


def test_a_hostile_answer_costs_its_own_point_only(tmp_path):
    harmless(tmp_path, QUICK)


@pytest.mark.slow
def test_every_hostile_answer_costs_its_own_point_only(tmp_path):
    harmless(tmp_path, hostile.IM2COL)


def test_when_the_time_of_a_submission_is_over_it_is_said(tmp_path):
    hostile.write(tmp_path, tmp_path, ["endless_and_deaf"])
    found = outcomes(tmp_path / "endless_and_deaf", ["im2col", "col2im"], Limits(seconds=6, case_seconds=60))
    assert "the time is over" in found["im2col"].fault
    assert "the time for this submission was over" in found["col2im"].fault


def test_results_that_are_no_results_are_refused():
    for message in ({}, {"values": 3}, {"values": [], "problem": [], "called": [], "notes": [], "printed": ""}):
        with pytest.raises(ValueError, match=r"not a result|values"):
            wire.unpacked(message, {}, [1])
    with pytest.raises(ValueError):
        wire.read(b"\x80\x04garbage")


def test_files(tmp_path):
    marks = [Mark("im2col", 1.0, ["all cases agree"]), Mark("col2im", 0.25, ["<script>alert(1)</script>"])]
    both = [Graded("=HYPERLINK(1)", marks), Graded("eve", marks)]
    rows = list(csv.reader(pages.as_csv(both).splitlines()))
    assert rows[0] == ["submission", "total", "out_of", "im2col", "col2im"]
    assert rows[1] == ["'=HYPERLINK(1)", "1.250", "2", "1.000", "0.250"]
    page = pages.as_html(both, "a & b")
    assert "<script>" not in page and "a &amp; b" in page and page.count("<details>") == 4
    result = json.loads(pages.as_json(both[1]))
    assert result["score"] == 1.25
    assert [t["status"] for t in result["tests"]] == ["passed", "failed"]
    assert {"name", "score", "max_score", "output", "visibility"} <= result["tests"][0].keys()


def test_command(tmp_path, capsys):
    folder = tmp_path / "handed_in"
    (folder / "zoe").mkdir(parents=True)
    shutil.copy(LESSONS / "solutions" / "mean_iou.py", folder / "zoe")
    out = [str(tmp_path / name) for name in ("scores.csv", "report.html", "json")]
    command = ["grade", str(folder), "--exercises", "mean_iou", "--csv", out[0], "--html", out[1], "--json", out[2]]
    assert cli.main(command) == 0
    assert "1.00 of 1" in capsys.readouterr().out
    assert "zoe,1.000,1,1.000" in Path(out[0]).read_text()
    assert "mean_iou" in Path(out[1]).read_text()
    assert json.loads((tmp_path / "json" / "zoe.json").read_text())["score"] == 1
    assert cli.main(["grade", str(tmp_path / "nowhere")]) == 1
    assert cli.main([*command, "--timeout", "0"]) == 1
    assert cli.main(["grade", str(folder), "--exercises", "conv3d"]) == 1
    capsys.readouterr()


def test_handout_and_lessons_hold_no_solutions(tmp_path, capsys):
    sheets, copy = tmp_path / "sheets", tmp_path / "copy"
    assert cli.main(["exercises", "--handout", str(sheets)]) == 0
    assert {p.stem for p in sheets.glob("*.py")} == set(EXERCISES)
    assert "| im2col.py | 02 |" in (sheets / "README.md").read_text()
    assert all("NotImplementedError" in p.read_text() or "#error" in p.read_text() for p in sheets.glob("*.py"))
    assert cli.main(["exercises", "--handout", str(sheets)]) == 1
    assert cli.main(["lessons", "--copy", str(copy)]) == 0
    assert (copy / "exercises").is_dir() and not (copy / "solutions").exists()
    assert cli.main(["lessons", "--copy", str(tmp_path / "all"), "--solutions"]) == 0
    assert (tmp_path / "all" / "solutions").is_dir()
    assert cli.main(["lessons", "--solutions"]) == 1
    capsys.readouterr()
