"""How an uncaught exception becomes a report: its class, its message, the program's own frames."""

import errno
import resource
import sqlite3
import traceback

import cell_channel
import cell_check
import cell_tools

MESSAGE_CHARS_MAX = 4_000
TRACEBACK_CHARS_MAX = 16_000
# A recursion of a thousand frames says no more than its ends.
FRAMES_MAX = 40
# Exceptions that hang on one: more are not read by anybody, and cost memory that may be gone.
EXCEPTIONS_MAX = 50

_PROGRAM_FILE = "workflow.py"


# What sqlite makes of a full folder, and of a file at its limit.
_DATABASE_IS_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE)

# What the zygote was told about every cell's limits; a run's own are the kernel's to tell.
_limits = {}


class ResultNotJson(Exception):
    """The value the entry point returned has no JSON form."""


def declare(limits):
    """In the zygote, once: the limits that all cells have."""
    _limits.update(limits)


def said(error):
    """`str(error)`, whatever its class does."""
    try:
        return str(error)
    except Exception:
        return "<no message>"


def raised(error):
    """The bytes of a `raised` frame. Never raises for lack of a good exception."""
    try:
        return _frame(_report(error))
    except BaseException:
        # A hostile class, or no memory even for this: the kind alone still says what happened.
        return _frame({"kind": _safe_kind(error), "message": type(error).__name__, "line": None, "traceback": None})


def _safe_kind(error):
    try:
        return _kind(error)
    except BaseException:
        return "python_error"


def _frame(report):
    text = {key: _clean(value) if isinstance(value, str) else value for key, value in report.items()}
    return cell_channel.dumps({"raised": text})


def _clean(text):
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _report(error):
    kind = _kind(error)
    if kind == "invalid_code":
        return {"kind": kind, "message": _cut(said(error), MESSAGE_CHARS_MAX), "line": error.line, "traceback": None}
    if kind == "result_not_json":
        return {"kind": kind, "message": _cut(said(error), MESSAGE_CHARS_MAX), "line": None, "traceback": None}
    return {
        "kind": kind,
        "message": _cut(_message(error, kind), MESSAGE_CHARS_MAX),
        "line": _last_line(error),
        "traceback": _cut(_program_traceback(error), TRACEBACK_CHARS_MAX),
    }


def _kind(error):
    if isinstance(error, cell_check.InvalidCode):
        return "invalid_code"
    if isinstance(error, ResultNotJson):
        return "result_not_json"
    if isinstance(error, SystemExit):
        return "no_result"
    for kind, cause in (("tool_error", cell_tools.ToolError), ("out_of_memory", MemoryError)):
        if _is_only(error, cause):
            return kind
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return "out_of_memory"  # what mmap and threads say in place of MemoryError
    return "limit_reached" if _limit(error) else "python_error"


def _limit(error):
    """The limit that the system's refusal is about, with its value; `None` for any other error."""
    if isinstance(error, BaseExceptionGroup):
        each = [_limit(inner) for inner in error.exceptions]
        return each[0] if all(each) else None
    is_full = getattr(error, "sqlite_errorcode", None) in _DATABASE_IS_FULL
    number = errno.ENOSPC if is_full else error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT):
        return "the program's folder is full: its limits are {work_bytes_max} bytes and {work_inodes_max} files".format(**_limits)
    if number == errno.EFBIG:
        return f"a file of the program reached the limit of {resource.getrlimit(resource.RLIMIT_FSIZE)[0]} bytes"
    if number == errno.EMFILE:
        return "the program has all the files open that its limit of {open_files_max} allows".format(**_limits)
    if isinstance(error, RuntimeError) and error.args == ("can't start new thread",):
        memory_bytes_max = resource.getrlimit(resource.RLIMIT_AS)[0]
        threads_max = _limits["threads_max"]
        return (
            f"the program cannot start another thread: its limits are {threads_max} threads and, "
            f"with the interpreter and all stacks, {memory_bytes_max} bytes of address space"
        )
    return None


def _is_only(error, cause):
    """Whether the exception, or everything in its group, is of this class."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_only(inner, cause) for inner in error.exceptions)
    return isinstance(error, cause)


def _message(error, kind):
    if kind == "tool_error":
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return said(error)
    if kind == "no_result":
        return f"the program ended itself with sys.exit({error.code!r}) before it returned a result"
    text = said(error)
    name = type(error).__name__
    shown = f"{name}: {text}" if text else name
    return f"{_limit(error)} ({shown})" if kind == "limit_reached" else shown


def _last_line(error):
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        inner = _own_lines(error.exceptions[0])
        if not inner:
            break
        error = error.exceptions[0]
    lines = _own_lines(error)
    return lines[-1] if lines else None


def _own_lines(error):
    lines = []
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == _PROGRAM_FILE and step.tb_lineno is not None:
            lines.append(step.tb_lineno)
        step = step.tb_next
    return lines


def _is_of_human_size(error):
    """Whether showing it takes little; chains and groups can hold hundreds of thousands."""
    waiting, seen = [error], 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if seen > EXCEPTIONS_MAX:
            return False
        waiting.extend(next for next in (each.__cause__, each.__context__) if next is not None)
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions[: EXCEPTIONS_MAX + 1])
    return True


def _program_traceback(error):
    if not _is_of_human_size(error):
        return f"{type(error).__name__}: too many exceptions in one to show them\n"
    report = traceback.TracebackException.from_exception(error, compact=True)
    _keep_own_frames(report, depth=0)
    return "".join(report.format())


def _keep_own_frames(report, depth):
    own = [frame for frame in report.stack if frame.filename == _PROGRAM_FILE]
    if len(own) > FRAMES_MAX:
        own = own[: FRAMES_MAX // 2] + own[-FRAMES_MAX // 2 :]
    report.stack = traceback.StackSummary.from_list(own)
    if depth > 8:
        report.__cause__ = report.__context__ = None
    inner = [report.__cause__, report.__context__, *(report.exceptions or [])]
    for each in inner:
        if each is not None:
            _keep_own_frames(each, depth + 1)


def _cut(text, chars_max):
    if len(text) <= chars_max:
        return text
    return text[: chars_max // 2] + "\n[...]\n" + text[-chars_max // 2 :]
