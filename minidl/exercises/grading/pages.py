"""Scores as CSV, as a page, and as the JSON that Gradescope and otter-grader read."""

import csv
import html
import io
import json

from .score import Graded

STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 75em; color: #222 }
table { border-collapse: collapse } td, th { padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, th:first-child { text-align: left } .full { background: #d9f0d3 } .none { background: #f6d5d5 }
pre { white-space: pre-wrap; background: #f6f6f6; padding: 0.6em } summary { cursor: pointer }
"""


def as_csv(graded: list[Graded]) -> str:
    """One line per submission: its name, the total, the largest possible total, the score of each exercise."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names = [mark.name for mark in graded[0].marks]
    writer.writerow(["submission", "total", "out_of", *names])
    for one in graded:
        name = f"'{one.name}" if one.name.startswith(("=", "+", "-", "@")) else one.name  # not a spreadsheet formula
        writer.writerow([name, f"{one.total:.3f}", len(names), *(f"{mark.score:.3f}" for mark in one.marks)])
    return text.getvalue()


def as_json(one: Graded) -> str:
    """results.json in the format of Gradescope's autograder, which otter-grader uses too."""
    tests = [
        {
            "name": mark.name,
            "score": round(mark.score, 4),
            "max_score": 1.0,
            "status": "passed" if mark.score == 1 else "failed",
            "output": "\n".join(mark.lines),
            "visibility": "visible",
        }
        for mark in one.marks
    ]
    head = {"score": round(one.total, 4), "output": f"{one.name}: {one.total:.2f} of {len(tests)}"}
    return json.dumps(head | {"visibility": "visible", "tests": tests}, indent=1) + "\n"


def as_html(graded: list[Graded], title: str) -> str:
    """A page: the table of scores, then the feedback of every submission."""
    names = [mark.name for mark in graded[0].marks]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    rows = "\n".join(_row(i, one) for i, one in enumerate(graded))
    details = "\n".join(_details(i, one) for i, one in enumerate(graded))
    means = [sum(one.marks[k].score for one in graded) / len(graded) for k in range(len(names))]
    foot = "".join(f"<td>{mean:.2f}</td>" for mean in means)
    total = sum(one.total for one in graded) / len(graded)
    return (
        f"<!doctype html>\n<html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style>\n<h1>{html.escape(title)}</h1>\n<table><tr><th>submission</th><th>total</th>{head}</tr>\n"
        f"{rows}\n<tr><th>mean</th><td>{total:.2f}</td>{foot}</tr></table>\n<h2>Feedback</h2>\n{details}\n</html>\n"
    )


def _row(i, one):
    cells = "".join(f"<td class='{_shade(mark)}'>{mark.score:.2f}</td>" for mark in one.marks)
    return f"<tr><td><a href='#s{i}'>{html.escape(one.name)}</a></td><td>{one.total:.2f}</td>{cells}</tr>"


def _shade(mark):
    return "full" if mark.score == 1 else "none" if mark.score == 0 else "part"


def _details(i, one):
    parts = "".join(
        f"<details><summary>{html.escape(mark.name)}: {mark.score:.2f}</summary>"
        f"<pre>{html.escape(chr(10).join(mark.lines))}</pre></details>"
        for mark in one.marks
    )
    return f"<h3 id='s{i}'>{html.escape(one.name)}: {one.total:.2f} of {len(one.marks)}</h3>{parts}"
