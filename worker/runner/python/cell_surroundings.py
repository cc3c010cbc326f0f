"""What a program sees around itself, made to behave as on any machine."""

import functools
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


def _by_descriptor(act, access):
    """Paths are opened first, so that the file system's walls are asked; the system call by path is refused."""

    @functools.wraps(act)
    def by_descriptor(path, *args, dir_fd=None, follow_symlinks=True, **kwargs):
        if isinstance(path, int):
            return act(path, *args, **kwargs)
        flags = os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow_symlinks else os.O_NOFOLLOW)
        try:
            descriptor = os.open(path, flags | access, dir_fd=dir_fd)
        except PermissionError:
            descriptor = os.open(path, flags | os.O_WRONLY, dir_fd=dir_fd)
        try:
            return act(descriptor, *args, **kwargs)
        finally:
            os.close(descriptor)

    os.supports_fd.add(by_descriptor)
    return by_descriptor


os.chmod = _by_descriptor(os.chmod, os.O_RDONLY)
os.utime = _by_descriptor(os.utime, os.O_RDONLY)
os.truncate = _by_descriptor(os.truncate, os.O_WRONLY)


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
