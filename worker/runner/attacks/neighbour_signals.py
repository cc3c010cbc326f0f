# Signals every number there is, in every way there is.
# tier A: contained
# tier B: contained
# walls: seccomp, pid namespace
import ctypes
import os


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    kill, tkill, tgkill, queue = {"x86_64": (62, 200, 234, 129), "aarch64": (129, 130, 131, 138)}[os.uname().machine]
    information = ctypes.create_string_buffer(128)
    seen = []
    for pid in [os.getppid() or 2, -os.getppid() or -2, *range(2, 2048)]:
        calls = [(kill, pid, 0), (tkill, pid, 0), (tgkill, pid, pid, 0), (queue, pid, 0, information)]
        seen.extend(call for call in calls if pid != os.getpid() and libc.syscall(*call) != -1)
    return f"BREACH: {seen[:10]}" if seen else "contained"
