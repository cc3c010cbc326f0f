"""What a program sees around itself, made to behave as on any machine."""

import os
import signal
import sys
import tempfile

_work_folder = None

_ENDING_SIGNALS = {
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGSTOP,
}


def prepare(work_folder):
    """Once, in the zygote."""
    global _work_folder
    _work_folder = work_folder
    tempfile.tempdir = None
    os.environ.clear()
    os.environ.update(
        {"HOME": work_folder, "TMPDIR": work_folder, "LANG": "C.UTF-8", "TZ": "UTC", "PATH": ""}
    )
    sys.stdout = sys.__stdout__ = _text(1)
    sys.stderr = sys.__stderr__ = _text(2)
    sys.argv[:] = ["workflow.py"]
    os.kill = _kill(os.kill)


def settle(work_folder):
    """Once per cell, before the program is known."""
    if work_folder != _work_folder:
        os.environ["HOME"] = os.environ["TMPDIR"] = work_folder


def check_library():
    """Once per zygote, in its first cell: imports would fail one by one, and say that modules do not exist."""
    os.scandir(os.path.dirname(os.__file__)).close()


def _text(descriptor):
    """Line by line, so that prints are seen as they come and survive a crash; no text is unprintable.

    A stream remembers what its descriptor was when it was made: a pipe, as it will be in the cell.
    """
    kept = os.dup(descriptor)
    pipe = os.pipe()
    os.dup2(pipe[1], descriptor)
    stream = open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.dup2(kept, descriptor)
    for each in (kept, *pipe):
        os.close(each)
    return stream


def _kill(kernel_kill):
    """The first process of a pid namespace cannot be ended by its own signals; a program that tries means it."""

    def kill(pid, signal_number, /):
        """Kill a process with a signal."""
        if pid in (os.getpid(), 0) and signal_number in _ENDING_SIGNALS:
            if signal.getsignal(signal_number) in (signal.SIG_DFL, None):
                os._exit(128 + signal_number)
        return kernel_kill(pid, signal_number)

    return kill
