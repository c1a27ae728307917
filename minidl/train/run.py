"""The state of a training run: saving, restoring, logging, and interrupts deferred to the end of a step."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import random
from ..backend.ranks import world
from ..data.loader import DataLoader
from ..distributed import spread_seeds
from ..kernels.files import write
from ..nn.module import Module
from . import checkpoint
from .optim import Optimizer, Schedule
from .tasks import Detection, Segmentation

LAST, BEST, LOG = "last.safetensors", "best.safetensors", "log.csv"


class Diverged(FloatingPointError):
    """Training produced a loss or a weight that is not a finite number."""


class Run:
    """The whole state of a training run, and its files."""

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        schedule: Schedule | None,
        train: DataLoader,
        tally: Segmentation | Detection,
        folder: Path | None,
        config: Any,
    ) -> None:
        self.model, self.optimizer, self.schedule, self.train, self.tally = model, optimizer, schedule, train, tally
        self.folder, self.config = folder, config
        self.epoch, self.step, self.best, self.history = 0, 0, -math.inf, []
        self.place: Any = None  # the loader's state after the last batch used for training

    def begin(self, resume: bool) -> None:
        """Save the initial state, or with `resume` continue from the folder's checkpoint."""
        self.train.set_epoch(0)
        self.place = self.train.state_dict()
        if self.folder is None:
            if resume:
                raise ValueError("fit: resume needs the folder of the run to continue")
            spread_seeds(world())
            return
        ranks = world()
        there = ranks.broadcast((self.folder / LAST).exists())
        if resume and not there:
            raise FileNotFoundError(f"fit: {self.folder / LAST} is missing: there is no run to resume")
        if there and not resume:
            raise FileExistsError(
                f"fit: {self.folder} already holds a run; continue it with resume, or choose another folder"
            )
        if resume:
            self.load()
        else:
            spread_seeds(ranks)
            self.save()

    def state(self) -> dict[str, Any]:
        """The branches of the checkpoint `last.safetensors`: all that a resumed run needs besides the weights."""
        run = {"epoch": self.epoch, "step": self.step, "best": self.best, "history": self.history, "place": self.place}
        others = world().gather(random.get_rng_state())[1:]
        run |= {"random_of_ranks": others} if others else {}
        return {
            "run": run | {"tally": self.tally.state(), "random": random.get_rng_state()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule is not None else None,
            "config": self.config,
        }

    def save(self, name: str = LAST) -> None:
        """Write the whole state, or for BEST the weights and scores; rank 0 writes, all ranks wait.

        Raises Diverged where a weight is not finite.
        """
        if self.folder is None:
            return
        weights = self.model.state_dict()
        bad = [n for n, w in weights.items() if w.data.dtype.kind == "f" and not np.isfinite(w.data).all()]
        if bad:
            raise Diverged(
                f"fit: after step {self.step}, {len(bad)} weights are not finite, first {bad[0]}; {self.kept()}"
            )
        state = self.state() if name == LAST else {"config": self.config, "scores": self.history[-1]}
        if not world().rank:
            checkpoint.save(self.folder / name, weights, **state)
        world().barrier()

    def kept(self) -> str:
        """For error messages: the checkpoint from which the run can continue."""
        path = None if self.folder is None else self.folder / LAST
        return f"the last good checkpoint is {path}" if path and path.exists() else "there is no checkpoint"

    def stopped(self) -> str:
        """The message after Ctrl-C."""
        where = "nothing was saved" if self.folder is None else f"saved in {self.folder / LAST}, where resume continues"
        return f"stopped after step {self.step}, {where}"

    def load(self) -> None:
        """Restore the state from folder/last.safetensors."""
        assert self.folder is not None  # checked by `begin`
        path = self.folder / LAST
        ranks = world()
        read: Any = None if ranks.rank else checkpoint.load(path)
        weights, state = ranks.broadcast(read)
        if "run" not in state:
            raise checkpoint.CheckpointError(f"{path} holds weights but not the state of a run: it cannot be resumed")
        run = state["run"]
        checkpoint.fill(self.model, weights, path)
        try:
            self.optimizer.load_state_dict(state["optimizer"])
            if self.schedule is not None:
                self.schedule.load_state_dict(state["schedule"])
            self.train.load_state_dict(run["place"])
            self.tally.restore(run["tally"])
        except (ValueError, KeyError, TypeError) as error:
            raise checkpoint.CheckpointError(f"{path} does not fit this run: {error}") from error
        random.set_rng_state(run["random"])
        spread_seeds(ranks)
        if 0 < ranks.rank <= len(saved := run.get("random_of_ranks", [])):
            random.set_rng_state(saved[ranks.rank - 1])
        self.epoch, self.step, self.best, self.history = run["epoch"], run["step"], run["best"], run["history"]
        self.place = run["place"]

    def log(self, row: dict[str, Any]) -> None:
        """Add an epoch to the history and rewrite the table, so that it always agrees with the checkpoint."""
        self.history.append(row)
        if self.folder is not None and not world().rank:
            text = io.StringIO(newline="")
            columns = dict.fromkeys(name for row in self.history for name in row)
            table = csv.DictWriter(text, columns, lineterminator="\n")
            table.writeheader()
            table.writerows(self.history)
            write(self.folder / LOG, text.getvalue())


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Context: a function that returns whether Ctrl-C, SIGTERM or SIGHUP arrived inside; the second one interrupts at once.

    No effect outside the main thread, and on signals for which the program has its own handler.
    """
    came = []

    def note(signum, frame):
        if came:
            os.write(2, b"\nstopping at once; the last checkpoint stays as it is\n")
            raise KeyboardInterrupt("stopped at once, between checkpoints")
        came.append(signum)
        name = b"Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name.encode()
        os.write(
            2, b"\n" + name + b": stopping after this step; a second signal stops at once\n"
        )  # print is not safe here

    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    ours = [s for s in signals if signal.getsignal(s) in (signal.default_int_handler, signal.SIG_DFL)]
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            before = {s: signal.signal(s, note) for s in ours}
        yield lambda: bool(came)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
