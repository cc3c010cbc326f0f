"""Leaves a token by every way there is. Tells what it could leave; the next program looks for all of it."""
import builtins
import ctypes
import fcntl
import gc
import linecache
import mmap
import multiprocessing.shared_memory
import os
import random
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import zoneinfo


def _file(folder, token):
    path = os.path.join(folder, f"left-{token}")
    with open(path, "w") as file:
        file.write(token)


def _bound(address):
    waiting = socket.socket(socket.AF_UNIX)
    waiting.bind(address)
    waiting.listen()
    return waiting


def _lock(path, command, kind):
    file = open(path, "rb")
    fcntl.fcntl(file, command, kind)
    return file


def _map(token):
    memory = mmap.mmap(-1, 1 << 20)
    memory.write(token.encode() * 1000)
    return memory


def _intern(token):
    sys.intern(token)
    builtins.left = token
    os.left = token
    sys.modules["left"] = token
    linecache.cache[token] = (len(token), None, [token], token)
    gc.callbacks.append(lambda *_: token)


def _flags(descriptor):
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
    assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND


def _library(act):
    for module in (os, tempfile, random):
        act(module.__file__)


def _leave_all(token):
    libc = ctypes.CDLL(None, use_errno=True)
    own = os.getcwd()
    ways = {f"file in {folder}": lambda folder=folder: _file(folder, token) for folder in (
        own, os.path.dirname(own), "/work", "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/", "/home", "/root",
        os.path.dirname(os.__file__), "/usr/share/zoneinfo", "/proc/self/fd", "/sys/fs/cgroup")}
    ways |= {
        "environment": lambda: os.environ.update({"LEFT": token}),
        "environment of C": lambda: libc.setenv(b"LEFT", token.encode(), 1),
        "named shared memory": lambda: multiprocessing.shared_memory.SharedMemory(f"left-{token}", create=True, size=64),
        "anonymous shared memory": lambda: _map(token),
        "named pipe": lambda: os.mkfifo(f"left-{token}"),
        "socket with a path": lambda: _bound(f"left-{token}"),
        "abstract socket": lambda: _bound(f"\0left-{token}"),
        "lock of a library file": lambda: _lock(os.__file__, fcntl.F_SETLK, b"\0" * 32),
        "lock of an open library file": lambda: _lock(os.__file__, 37, b"\0" * 32),
        "flock of a library file": lambda: fcntl.flock(open(os.__file__), fcntl.LOCK_EX),
        "lease of a library file": lambda: _lock(os.__file__, fcntl.F_SETLEASE, fcntl.F_RDLCK),
        "time stamp of the library": lambda: _library(lambda path: os.utime(path, (1, 1))),
        "mode of the library": lambda: _library(lambda path: os.chmod(path, 0o640)),
        "attribute of a file": lambda: os.setxattr(os.__file__, "user.left", token.encode()),
        "host name": lambda: socket.sethostname(token),
        "name of the process": lambda: libc.prctl(15, token.encode()),
        "name of a thread": lambda: threading.Thread(name=token).start(),
        "niceness": lambda: os.nice(3),
        "priority of all": lambda: os.setpriority(os.PRIO_USER, 0, 3),
        "scheduler": lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)),
        "processors": lambda: os.sched_setaffinity(0, {0}),
        "processors of all": lambda: os.sched_setaffinity(os.getppid() or 1, {0}),
        "limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (13, 13)),
        "limits of the parent": lambda: resource.prlimit(os.getppid() or 2, resource.RLIMIT_NOFILE, (13, 13)),
        "mask of modes": lambda: os.umask(0o123),
        "signal handlers": lambda: signal.signal(signal.SIGUSR1, lambda *_: None),
        "blocked signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}),
        "timers": lambda: signal.setitimer(signal.ITIMER_REAL, 1000),
        "flags of standard input": lambda: _flags(0),
        "flags of standard output": lambda: _flags(1),
        "place in standard input": lambda: os.lseek(0, 1234, os.SEEK_SET),
        "a byte for all who read zeros": lambda: open("/dev/zero", "wb").write(token.encode()),
        "a byte for all who read chance": lambda: open("/dev/urandom", "wb").write(token.encode()),
        "nothing": lambda: open("/dev/null", "wb").write(token.encode()),
        "descriptors": lambda: [os.dup(0) for _ in range(20)],
        "pipe": lambda: os.write(os.pipe()[1], token.encode()),
        "terminal": lambda: os.setsid(),
        "group of processes": lambda: os.setpgid(0, 0),
        "time zone": lambda: (os.environ.update({"TZ": "Asia/Tokyo"}), time.tzset(), zoneinfo.ZoneInfo("Asia/Tokyo")),
        "the interpreter": lambda: _intern(token),
        "dice": lambda: random.seed(token),
        "temporary files": lambda: tempfile.NamedTemporaryFile(prefix=token, delete=False),
        "core dump": lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20)),
        "watch on the library": lambda: fcntl.fcntl(os.open(os.path.dirname(os.__file__), os.O_RDONLY), fcntl.F_NOTIFY, 1),
    }
    left, refused, kept = [], {}, []
    for name, way in ways.items():
        try:
            kept.append(way())
            left.append(name)
        except (OSError, ValueError, AttributeError) as error:
            refused[name] = str(error)
    return {"left": left, "refused": refused}, kept


async def execute_workflow(task):
    mode, token = task.split()
    told, kept = _leave_all(token)
    if mode == "alive":
        await paradigm_search("everything is left")
        await paradigm_search("the other has looked")
    assert kept is not None
    return told
