"""Detection of hanging ranks: every rank regularly sends its state to the next one."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
import threading
import time
from typing import Any

import numpy as np

PERIOD = 0.5  # seconds between messages
DONE = 2.0  # in place of "waiting": this rank has finished


class Watch(threading.Thread):
    """Sends (processor seconds used, whether it waits for others) to the next rank, and checks the messages of the one before.

    The rank before counts as hanging when it has sent nothing for `patience` seconds (stopped, swapped out, disconnected),
    or when this rank waits and that one has for so long neither waited nor used the processor (an endless read, a
    lock). Then a message names it and all ranks end. An endless computation is not detected. `patience` is 7, or the value of
    the environment variable MINIDL_PATIENCE: raise it where disks pause for longer.
    """

    def __init__(self, ranks: Any, comm: Any) -> None:
        super().__init__(name="minidl-watch", daemon=True)
        self.ranks, self.comm, self.patience = ranks, comm, float(os.environ.get("MINIDL_PATIENCE", 7))
        self.before, self.after = (ranks.rank - 1) % ranks.size, (ranks.rank + 1) % ranks.size
        self.ended = threading.Event()
        atexit.register(self.close)

    def run(self) -> None:
        heard = progressed = time.monotonic()  # times of the last message of the rank before, and of its last progress
        used, finished, sent = -1.0, False, None
        news = np.empty(2)
        while not self.ended.wait(PERIOD):
            if sent is None or sent.Test():
                report = np.array([processor_seconds(), float(self.ranks.waiting)])
                sent = self.comm.Isend(report, self.after)
            now = time.monotonic()
            while self.comm.Iprobe(self.before):
                self.comm.Recv(news, self.before)
                heard, finished = now, news[1] == DONE
                if news[1] or news[0] > used + 0.02 or not self.ranks.waiting:
                    progressed, used = now, news[0]
            if finished:
                progressed = heard = now
            if now - heard > self.patience:
                self._end(f"has been silent for {now - heard:.0f} s")
            if now - progressed > self.patience:
                self._end(f"has neither computed nor waited for the others for {now - progressed:.0f} s")

    def _end(self, what):
        print(f"minidl: rank {self.before} of {self.ranks.size} hangs: it {what}; all ranks end", file=sys.stderr)
        self.ranks.abort(1)

    def close(self) -> None:
        """Tell the next rank that this one has finished, so that its silence is no error."""
        self.ended.set()
        self.join()
        self.comm.Isend(np.array([0.0, DONE]), self.after)


def processor_seconds() -> float:
    """Seconds of processor time used by this process and by the workers of its loaders that run."""
    seconds = time.process_time()
    for child in multiprocessing.active_children():
        try:
            with open(f"/proc/{child.pid}/stat") as file:
                user, system = file.read().rpartition(")")[2].split()[11:13]
            seconds += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        except OSError:  # no /proc, or the worker has ended
            seconds += time.monotonic()
    return seconds
