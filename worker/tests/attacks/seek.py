"""Looks for what another program may have left: as text anywhere, and as a state that is not as it should be."""
import builtins
import ctypes
import fcntl
import gc
import os
import random
import resource
import signal
import socket
import sys
import tempfile
import threading
import time

FOLDERS = ("/work", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/", "/home", "/root", "/usr/share/zoneinfo", "/proc", "/sys/fs/cgroup")


def _quietly(act):
    try:
        return act()
    except Exception as error:
        return f"{type(error).__name__} {getattr(error, 'errno', '')}"


def _texts():
    """Everything that can be read or named."""
    own = os.getcwd()
    texts = [repr(dict(os.environ)), repr(sys.argv), repr(sorted(vars(builtins))), repr(sorted(sys.modules))]
    texts += [repr(vars(os).get("left")), socket.gethostname(), repr(os.uname()), repr(threading.enumerate())]
    for folder in (own, os.path.dirname(own), os.path.dirname(os.__file__), *FOLDERS):
        texts.append(repr(_quietly(lambda: os.listdir(folder))))
    for path in ("/proc/locks", "/proc/net/unix", "/proc/sysvipc/shm", "/proc/keys", "/proc/1/environ", f"/proc/{os.getppid()}/environ"):
        texts.append(repr(_quietly(lambda: open(path, "rb").read())))
    texts.append(repr([_quietly(lambda: os.read(fd, 100)) for fd in range(4, 64) if not os.isatty(fd) and _is_ready(fd)]))
    texts.append(repr([thing for thing in gc.get_objects() if isinstance(thing, (str, bytes))][:10_000]))
    return "\n".join(texts)


def _is_ready(fd):
    import select

    return bool(_quietly(lambda: select.select([fd], [], [], 0)[0]) == [fd])


def _memory():
    """The heap, page by page: what the parent left there is inherited by all."""
    libc = ctypes.CDLL(None)
    vector, found = ctypes.create_string_buffer(1), []
    for base in (id(None), id(_memory), id(random)):
        for step in range(-256, 256):
            address = (base & ~4095) + step * 4096
            if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(4096), vector) == 0:
                found.append(ctypes.string_at(address, 4096))
    return b"".join(found)


def _lock_state(command, path):
    with open(path, "rb") as file:
        return fcntl.fcntl(file, command, b"\1" + b"\0" * 31).hex()


def _state():
    """One value per channel; all of them must be as they were before anything was hidden."""
    library = os.stat(os.__file__)
    return {
        "own folder": os.listdir("."),
        "mask of modes": os.umask(0),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")},
        "niceness": _quietly(lambda: os.getpriority(os.PRIO_PROCESS, 0)),
        "processors": sorted(os.sched_getaffinity(0)),
        "host name": socket.gethostname(),
        "flags": [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in range(3)],
        "places": [_quietly(lambda: os.lseek(fd, 0, os.SEEK_CUR)) for fd in range(3)],
        "descriptors": [fd for fd in range(64) if not isinstance(_quietly(lambda: os.fstat(fd)), str)],
        "signals": {number: repr(signal.getsignal(number)) for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)},
        "blocked": repr(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
        "pending": repr(signal.sigpending()),
        "timers": signal.getitimer(signal.ITIMER_REAL),
        "zone": (time.tzname, time.timezone),
        "library": (library.st_mode, library.st_mtime_ns, library.st_ctime_ns, library.st_nlink, library.st_size),
        "locks": [_quietly(lambda: _lock_state(command, os.__file__)) for command in (fcntl.F_GETLK, 36)],
        "flock": _quietly(lambda: fcntl.flock(open(os.__file__), fcntl.LOCK_EX | fcntl.LOCK_NB)),
        "zeros": open("/dev/zero", "rb").read(64).hex(),
        "hash": hash("the same in all cells"),
        "dice": random.random(),
        "temporary": os.path.basename(tempfile.gettempdir()) == os.path.basename(os.getcwd()) or tempfile.gettempdir(),
        "threads": threading.active_count(),
        "abstract": _quietly(lambda: socket.socket(socket.AF_UNIX).connect("\0left")),
        "interpreter": (len(sys.modules), len(vars(builtins)), len(gc.callbacks), sys.getrecursionlimit()),
    }


async def execute_workflow(task):
    mode, half, other = task.split()
    if mode == "alive":
        await paradigm_search("is everything left?")
    state = _state()
    # The token comes in two halves: this program must not find its own.
    found = [place for place, text in (("texts", _texts().encode()), ("memory", _memory())) if half.encode() + other.encode() in text]
    if mode == "alive":
        await paradigm_search("looked")
    return {"state": state, "found": found}
