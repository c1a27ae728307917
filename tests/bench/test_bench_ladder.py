"""`minidl bench ladder`: every step is timed and has a row in the table."""

from minidl import get_num_threads
from minidl.bench import ladder
from minidl.commands import bench


def test_ladder(monkeypatch):
    monkeypatch.setattr(ladder, "LAYER", {"channels": 8, "outputs": 16, "side": 18, "kernel": 3})
    threads = get_num_threads()
    rows = ladder.measure(seconds=0.02)
    assert get_num_threads() == threads
    assert [row[0] for row in rows] == ["loops", "im2col", "packed", "micro_kernel", "implicit_gemm", "winograd"]
    flops = 2 * 16 * 8 * 9 * 16 * 16
    for _, seconds, rate, share, _ in rows:
        assert abs(rate * 1e9 * seconds / flops - 1) < 1e-6 and share > 0
    assert rows[0][4] is None and abs(rows[1][4] - rows[0][1] / rows[1][1]) < 1e-9
    text = ladder.table(rows).splitlines()
    assert len(text) == 8 and "8 > 16 channels" in text[0]
    assert all(line.startswith(row[0]) for line, row in zip(text[2:], rows))


def test_command_has_the_ladder():
    import argparse

    parser = argparse.ArgumentParser()
    bench.register(parser.add_subparsers())
    assert parser.parse_args(["bench", "ladder"]).what == "ladder"
    assert parser.parse_args(["bench"]).what == "cases"
