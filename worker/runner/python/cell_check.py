"""What can be said about a program without running it: syntax, entry point, modules it wants."""

import ast
import importlib.util
import sys

MISSING_ENTRY_POINT = (
    "the program defines no function execute_workflow(user_input); "
    "start it with `async def execute_workflow(user_input: str):` (or plain `def`)"
)

# Present in the library, of no use in a cell: no network, no child processes, no terminal.
_USELESS_HERE = {
    "subprocess": "programs cannot start processes",
    "multiprocessing": "programs cannot start processes; use threads",
    "socket": "programs have no network; use the tools",
    "http": "programs have no network; use the tools",
    "urllib.request": "programs have no network; use the tools",
    "ftplib": "programs have no network; use the tools",
    "smtplib": "programs have no network; use the tools",
    "tkinter": "programs have no display",
}


class InvalidCode(Exception):
    """Not a program that can be run."""

    def __init__(self, message, line=None):
        super().__init__(message)
        self.line = line


def compiled(source, file_name):
    """The program's code object."""
    return _parsed(source, file_name, 0)


def check(source, file_name, entry_point):
    """The report on a program; raises `InvalidCode` when it can never run."""
    tree = _parsed(source, file_name, ast.PyCF_ONLY_AST)
    _parsed(source, file_name, 0)  # what only the compiler sees: `return` outside a function, and the like
    entry = _entry(tree.body, entry_point)
    if entry is None:
        raise InvalidCode(MISSING_ENTRY_POINT, 1)  # what is missing has no line: the file begins wrong
    _check_signature(entry, entry_point)
    imports = _imports(tree)
    return {
        "entry_is_async": isinstance(entry, ast.AsyncFunctionDef),
        "imports": sorted({name.split(".")[0] for name, _ in imports}),
        "findings": _findings(imports),
    }


def _parsed(source, file_name, flags):
    if "\0" in source:
        raise InvalidCode("the program contains a NUL byte", source[: source.index("\0")].count("\n") + 1)
    try:
        return compile(source, file_name, "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        raise InvalidCode(f"{type(error).__name__}: {error.msg}", error.lineno) from None
    except (ValueError, OverflowError) as error:
        raise InvalidCode(f"the program cannot be compiled: {error}") from None
    except (RecursionError, MemoryError):
        raise InvalidCode("the program is nested too deeply, or too large, to be compiled") from None


def _entry(body, entry_point):
    """What binds the entry point at the top level, the last one when there are several."""
    found = None
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name == entry_point:
                found = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == entry_point for target in targets):
                found = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            if any((alias.asname or alias.name) == entry_point for alias in node.names):
                found = node
        else:
            for field in ("body", "orelse", "finalbody"):
                found = _entry(getattr(node, field, []), entry_point) or found
            for handler in getattr(node, "handlers", []):
                found = _entry(handler.body, entry_point) or found
    return found


def _check_signature(entry, entry_point):
    if not isinstance(entry, (ast.FunctionDef, ast.AsyncFunctionDef)) or entry.decorator_list:
        return  # only running it would tell
    arguments = entry.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    takes_one = required <= 1 and (positional >= 1 or arguments.vararg is not None)
    if not takes_one or any(default is None for default in arguments.kw_defaults):
        raise InvalidCode(f"{entry_point} must take one argument: user_input", entry.lineno)


def _imports(tree):
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.append((node.module, node.lineno))
    return found


def _findings(imports):
    findings = []
    for name, line in imports:
        top = name.split(".")[0]
        reason = _USELESS_HERE.get(name) or _USELESS_HERE.get(top)
        if not _exists(top):
            findings.append({"line": line, "message": f"there is no module named {top!r} here"})
        elif reason and name not in ("http.cookies", "http.client", "urllib.parse"):
            findings.append({"line": line, "message": f"import {name}: {reason}"})
    return findings


def _exists(top):
    if top in sys.modules or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return True
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False
