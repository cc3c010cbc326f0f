# The x32 twins of forbidden calls, past a filter that looks at plain numbers only.
# tier A: contained|sandbox_violation
# tier B: contained|sandbox_violation
# walls: seccomp
import ctypes


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    for number in (272, 41, 56, 57, 101):
        done = libc.syscall(0x40000000 | number, 0x10000000, 0, 0)
        if done != -1:
            return f"BREACH: {number} {done}"
    return "contained"
