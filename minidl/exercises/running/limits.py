"""A time limit on a function that runs in this process."""

import contextlib
import ctypes
import signal
import threading

SECONDS = 10.0  # for one case; the worked solutions take milliseconds


class TimeIsUp(BaseException):
    """Raised inside a function that runs too long; not an Exception, so that `except Exception` does not catch it."""


@contextlib.contextmanager
def time_limit(seconds):
    """Raise TimeIsUp in the code of the `with` block after `seconds`, and again until it ends.

    In the main thread of a POSIX system a signal also ends sleeping; elsewhere the exception arrives at the next Python
    instruction. Neither interrupts compiled code, which therefore runs in a separate process (apart.py). In a browser,
    which has neither signals nor threads, there is no limit.
    """
    main = threading.current_thread() is threading.main_thread()
    with _by_signal(seconds) if main and hasattr(signal, "setitimer") else _by_thread(seconds):
        yield


@contextlib.contextmanager
def _by_signal(seconds):
    def ring(number, frame):
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _by_thread(seconds):
    thread, done, lock = threading.get_ident(), threading.Event(), threading.Lock()

    def watch():
        wait = seconds
        while not done.wait(wait):
            with lock:
                if not done.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(TimeIsUp))
            wait = 0.2

    watcher = threading.Thread(target=watch, daemon=True)
    if not _starts(watcher):
        yield
        return
    try:
        yield
    finally:
        while True:
            try:
                with lock:
                    done.set()
                (lambda: None)()  # one that has been sent arrives at a call
                break
            except TimeIsUp:
                pass


def _starts(watcher):
    """Start the thread; whether this system can."""
    try:
        watcher.start()
    except RuntimeError:
        return False
    return True
