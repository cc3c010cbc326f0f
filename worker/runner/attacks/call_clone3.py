# clone3 could hide its flags from the filter: it does not exist here.
# tier A: contained
# tier B: contained
# walls: seccomp
import ctypes
import errno


def execute_workflow(user_input):
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.syscall(435, ctypes.create_string_buffer(88), 88)
    return "contained" if done == -1 and ctypes.get_errno() == errno.ENOSYS else f"BREACH: {done}"
