"""Submissions that break, hang, or attack: name -> {file: text}. Each also hands in a right col2im, which must count."""

from pathlib import Path

SOLUTIONS = Path(__file__).parents[2] / "lessons" / "solutions"
HEAD = "import numpy as np\nimport os, sys, threading, time\n\n\ndef im2col(x, kernel, stride, padding):\n"


def _body(*lines):
    return HEAD + "".join(f"    {line}\n" for line in lines)


IM2COL = {
    "endless": _body("while True:", "    pass"),
    "endless_and_deaf": _body(
        "while True:", "    try:", "        time.sleep(0.01)", "    except BaseException:", "        pass"
    ),
    "endless_at_import": "while True:\n    pass\n",
    "exit_at_import": "import sys\nsys.exit(3)\n",
    "exit_in_function": _body("sys.exit(0)"),
    "hard_exit": _body("os._exit(0)"),
    "kills_its_parent": _body("os.kill(os.getppid(), 9)", "return x"),
    "forks": _body("while True:", "    os.fork()"),
    "starts_a_program": _body("os.system('touch ' + VICTIM + '/mark')", "return x"),
    "deletes": _body("import shutil", "shutil.rmtree(VICTIM)", "return x"),
    "writes": _body("open(VICTIM + '/mark', 'w').write('x')", "return x"),
    "eats_memory": _body("a = [np.ones(10**8) for _ in range(10**4)]", "return x"),
    "prints_without_end": _body("while True:", "    print('x' * 10**6)"),
    "recursion": _body("return im2col(x, kernel, stride, padding)"),
    "syntax": "def im2col(x:\n",
    "not_a_function": "im2col = 7\n",
    "wrong_arguments": "def im2col(x):\n    return x\n",
    "garbage_on_every_descriptor": _body(
        "for d in range(3, 50):",
        "    try:",
        "        os.write(d, b'garbage')",
        "    except OSError:",
        "        pass",
        "return x",
    ),
    "thread_that_stays": _body(
        "threading.Thread(target=lambda: [time.sleep(1) for _ in range(10**6)]).start()", "return x"
    ),
    "complex": _body("return np.zeros((2, 2)) + 1j"),
    "object": _body("class A: pass", "return A()"),
    "huge": _body("return np.zeros((10**4, 10**4))"),
    "reads_the_answer": _body(
        "from minidl.exercises import EXERCISES", "return EXERCISES['im2col'].expected(x, kernel, stride, padding)"
    ),
    "empty": "",
}


def write(folder, victim, names=tuple(IM2COL)):
    """The submissions as folders; `victim` is the folder that some of them want to change."""
    for name in names:
        text = IM2COL[name].replace("VICTIM", repr(str(victim)))
        (folder / name).mkdir(parents=True)
        (folder / name / "im2col.py").write_text(text, encoding="utf-8")
        (folder / name / "col2im.py").write_text(
            (SOLUTIONS / "col2im.py").read_text(encoding="utf-8"), encoding="utf-8"
        )
