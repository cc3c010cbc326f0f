"""Tries what no program may do, and tells what worked. An empty list is the only good answer."""
import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import subprocess


class _Answered(Exception):
    """The kernel said no by a return value."""


def _call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        raise _Answered(errno.errorcode.get(ctypes.get_errno()))


def _new_in(folder):
    os.close(os.open(os.path.join(folder, "canary"), os.O_CREAT | os.O_WRONLY))


def _acts(tier):
    library = os.path.dirname(os.__file__)
    acts = {
        "fork a process": lambda: os.fork(),
        "start a program": lambda: subprocess.run(["/bin/true"], check=True),
        "become a program": lambda: os.execv("/bin/true", ["true"]),
        "open an internet socket": lambda: socket.socket(socket.AF_INET),
        "open a unix socket": lambda: socket.socket(socket.AF_UNIX),
        "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "pass descriptors": lambda: socket.send_fds(socket.socketpair()[0], [b"x"], [0]),
        "read /etc/passwd": lambda: open("/etc/passwd").read(),
        "read /proc/self/environ": lambda: open("/proc/self/environ").read(),
        "read /proc/self/mem": lambda: open("/proc/self/mem", "rb"),
        "list /proc": lambda: os.listdir("/proc"),
        "list /etc": lambda: os.listdir("/etc"),
        "write to the library": lambda: _new_in(library),
        "write to the root": lambda: _new_in("/"),
        "write to /dev/shm": lambda: _new_in("/dev/shm"),
        "change the library's permissions": lambda: os.chmod(os.__file__, 0o777),
        "signal its parent": lambda: os.kill(os.getppid() or 2, signal.SIGTERM),
        "signal everybody": lambda: os.kill(-1, 0),
        "become root": lambda: os.setuid(0),
        "change groups": lambda: os.setgroups([0]),
        "raise a limit": lambda: resource.setrlimit(resource.RLIMIT_CORE, (4096, 4096)),
        "map writable code": lambda: mmap.mmap(-1, 4096, prot=7),
        "make a memory file": lambda: os.memfd_create("canary"),
        "make a device": lambda: os.mknod("canary", 0o60666, os.makedev(1, 1)),
        "lock memory": lambda: _call("mlock", ctypes.create_string_buffer(1), 1),
        "type into a terminal": lambda: fcntl.ioctl(0, 0x5412, b"x"),
        "choose a processor": lambda: os.sched_setaffinity(0, {0}),
        "go first": lambda: os.nice(-1),
    }
    if tier == "A":
        acts["see whether /etc/passwd exists"] = lambda: os.stat("/etc/passwd")
        acts["see whether /proc exists"] = lambda: os.stat("/proc")
    return acts


def execute_workflow(tier):
    acts = _acts(tier)
    breaches = []
    for name, act in acts.items():
        try:
            act()
        except (OSError, ValueError, subprocess.SubprocessError, _Answered):
            continue
        breaches.append(name)
    return {"acts": len(acts), "breaches": breaches}
