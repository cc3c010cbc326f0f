# Looks for descriptors somebody forgot: files, folders, sockets, handles of processes.
# tier A: contained
# tier B: contained
# walls: descriptors
import os
import stat


def execute_workflow(user_input):
    kinds = {}
    for fd in range(4, 1024):
        try:
            kinds.setdefault(stat.S_IFMT(os.fstat(fd).st_mode), []).append(fd)
        except OSError:
            pass
    # A cell's event loop has a pair of sockets and an epoll of its own; those have no kind.
    own = {stat.S_IFSOCK: 2, 0: 1}
    forgotten = {kind: found for kind, found in kinds.items() if len(found) > own.get(kind, 0)}
    return f"BREACH: {forgotten}" if forgotten else "contained"
