"""What CPython itself can say about a program without running it.

Executed in a cell like any program: its input is JSON with the program's text, what it may call and what its plan
declares; its result is the list of findings. The program is parsed and never run. A finding is an `error` only where
the program cannot work as it stands; whatever might be meant is a `warning`, or nothing.
"""

import ast
import builtins
import difflib
import json
import re
import symtable
import sys

ENTRY_POINT = "execute_workflow"

# Module-level names that CPython defines, and those of class bodies and methods.
IMPLICIT_NAMES = {
    "__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__package__", "__loader__", "__annotations__",
    "__debug__", "__dict__", "__class__", "__qualname__", "__module__", "__conditional_annotations__",
    "__classdict__", "__path__", "__annotate__",
}

NO_NETWORK = "programs have no network; use the tools"
NO_PROCESSES = "programs cannot start processes"
NO_DISPLAY = "programs have no terminal and no display"
# Modules of the library that are of no use in a cell. A name stands for its submodules too.
USELESS_MODULES = {
    **dict.fromkeys(
        "socket _socket ssl socketserver http.client http.server urllib.request urllib.robotparser ftplib smtplib "
        "imaplib poplib nntplib telnetlib xmlrpc asyncore asynchat webbrowser wsgiref smtpd".split(),
        NO_NETWORK,
    ),
    **dict.fromkeys("subprocess _posixsubprocess multiprocessing pty ensurepip venv".split(), NO_PROCESSES),
    **dict.fromkeys("tkinter turtle curses readline idlelib".split(), NO_DISPLAY),
    "ctypes": "programs cannot load foreign code",
}
# Members that lead to the same walls: `os.system(…)`, `from os import system`.
USELESS_MEMBERS = {
    **dict.fromkeys(
        "os.system os.popen os.fork os.forkpty os.execv os.execve os.execvp os.execl os.execlp os.spawnl os.spawnv "
        "os.posix_spawn asyncio.create_subprocess_exec asyncio.create_subprocess_shell "
        "concurrent.futures.ProcessPoolExecutor concurrent.futures.process".split(),
        NO_PROCESSES,
    ),
    **dict.fromkeys("asyncio.open_connection asyncio.start_server asyncio.open_unix_connection".split(), NO_NETWORK),
}

# Shapes of real credentials, and names that hold one when a long literal is assigned to them.
SECRET_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{20,}|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|wfk_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
SECRET_NAMES = re.compile(r"(?i)(?:^|_)(?:api_?key|secret(?:_key)?|access_?token|auth_?token|password|passwd)$")
SECRET_LITERAL = re.compile(r"[A-Za-z0-9+/=_.\-]{16,}")

# Calls that take a plain value: a coroutine given to them is a mistake.
PLAIN_BUILTINS = {"str", "len", "print", "int", "float", "bool", "repr", "sum", "min", "max", "format", "ord", "bytes"}
PLAIN_METHODS = {"join", "dumps", "loads", "format", "write", "replace", "sub", "match", "search", "findall", "fullmatch"}


class Report:
    def __init__(self):
        self.findings = []

    def add(self, code, node, message, severity="error"):
        line = getattr(node, "lineno", None)
        column = getattr(node, "col_offset", None)
        self.findings.append(
            {
                "code": code,
                "line": line,
                "column": None if column is None else column + 1,
                "message": message,
                "severity": severity,
            }
        )

    def warn(self, code, node, message):
        self.add(code, node, message, "warning")


class Program:
    """The tree with what the checks ask of it."""

    def __init__(self, code, tree):
        self.tree = tree
        self.table = symtable.symtable(code, "workflow.py", "exec")
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self.bound = _bound_anywhere(self.table)

    def function_around(self, node):
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                return node
        return None


def execute_workflow(user_input):
    task = json.loads(user_input)
    code, tools = task["code"].removeprefix("\ufeff"), {tool["name"]: tool for tool in task["tools"]}
    report = Report()
    size = len(code.encode("utf-8", "surrogatepass"))
    if size > task["code_bytes_max"]:
        report.add("E_SIZE", None, f"the program has {size} bytes; the limit is {task['code_bytes_max']} bytes")
        return {"findings": report.findings}
    try:
        tree = ast.parse(code, "workflow.py")
        program = Program(code, tree)
    except (SyntaxError, ValueError) as error:
        report.add("E_SYNTAX", error, f"{type(error).__name__}: {getattr(error, 'msg', error)}")
        return {"findings": report.findings}
    except (RecursionError, MemoryError):
        report.add("E_SYNTAX", None, "the program is nested too deeply to be read")
        return {"findings": report.findings}
    check_entry_point(program, report)
    check_names(program, tools, report)
    check_imports(program, report)
    check_members(program, report)
    check_tool_calls(program, tools, report)
    check_awaits(program, tools, report)
    check_steps(program, tools, task.get("steps"), report)
    check_secrets(program, report)
    report.findings.sort(key=lambda finding: (finding["line"] or 0, finding["column"] or 0, finding["code"]))
    return {"findings": report.findings[: task["findings_max"]]}


# --- entry point ----------------------------------------------------------------------------------------------------


def check_entry_point(program, report):
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    entries = [node for node in program.tree.body if isinstance(node, functions) and node.name == ENTRY_POINT]
    if len(entries) > 1:
        report.add("E_ENTRY_POINT", entries[1], f"{ENTRY_POINT} is defined {len(entries)} times")
    for entry in entries:
        given = entry.args
        positional = given.posonlyargs + given.args
        required = len(positional) - len(given.defaults)
        takes_one = required <= 1 and (positional or given.vararg)
        if not takes_one or any(default is None for default in given.kw_defaults):
            report.add("E_ENTRY_POINT", entry, f"{ENTRY_POINT} must take one argument: user_input")
        if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in _own_nodes(entry)):
            report.add("E_ENTRY_POINT", entry, f"{ENTRY_POINT} is a generator; it has to return its result")
    if not entries and ENTRY_POINT not in program.bound:
        report.add("E_ENTRY_POINT", None, f"the program defines no function {ENTRY_POINT}(user_input)")


def _own_nodes(function):
    """The nodes of a function without those of the functions in it."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            pending.extend(ast.iter_child_nodes(node))


# --- names ----------------------------------------------------------------------------------------------------------


def check_names(program, tools, report):
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(program.tree)):
        return  # what a star brings is not known here
    known = program.bound | set(dir(builtins)) | set(tools) | {"ToolError", "step"} | IMPLICIT_NAMES
    dynamic = _calls_any(program.tree, {"exec", "globals", "setattr"})
    undefined = {name for name in _global_references(program.table) if name not in known}
    reported = set()
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            continue
        if node.id not in undefined or node.id in reported or _guarded(program, node, {"NameError", "Exception"}):
            continue
        reported.add(node.id)
        called = isinstance(program.parents[node], ast.Call) and program.parents[node].func is node
        near = difflib.get_close_matches(node.id, tools, 1, 0.6)
        if called and (near or node.id.startswith(("paradigm_", "chat_"))):
            names = ", ".join(sorted(tools))
            report.add("E_UNKNOWN_TOOL", node, f"there is no tool {node.id}; the tools are {names}")
        elif dynamic:
            report.warn("E_UNDEFINED_NAME", node, f"the name {node.id} is not defined")
        else:
            hint = "; import it" if node.id in sys.stdlib_module_names else ""
            report.add("E_UNDEFINED_NAME", node, f"the name {node.id} is not defined{hint}")


def _tables(table):
    yield table
    for child in table.get_children():
        yield from _tables(child)


def _bound_anywhere(table):
    """Names bound at the top level, by `global` in a function, or in a class body or comprehension there."""
    bound = set()
    for inner in _tables(table):
        for symbol in inner.get_symbols():
            writes = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
            if writes and (inner.get_type() == "module" or symbol.is_declared_global()):
                bound.add(symbol.get_name())
    return bound


def _global_references(table):
    for inner in _tables(table):
        for symbol in inner.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or inner.get_type() == "module"):
                yield symbol.get_name()


def _calls_any(tree, names):
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names for node in ast.walk(tree)
    )


def _guarded(program, node, exceptions):
    """Whether the node stands in the body of a `try` that expects it to fail."""
    while node in program.parents:
        child, node = node, program.parents[node]
        if isinstance(node, ast.Try) and child in node.body:
            for handler in node.handlers:
                caught = {inner.id for inner in ast.walk(handler.type) if isinstance(inner, ast.Name)} if handler.type else exceptions
                if caught & exceptions:
                    return True
    return False


# --- imports --------------------------------------------------------------------------------------------------------


def check_imports(program, report):
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Import):
            names = [(alias.name, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                report.add("E_IMPORT", node, "there is no package to import from: a program is one file")
                continue
            names = [(node.module, f"{node.module}.{alias.name}") for alias in node.names]
        else:
            continue
        for module, member in names:
            problem = _import_problem(module, member)
            if problem:
                guarded = _guarded(program, node, {"ImportError", "ModuleNotFoundError", "Exception"})
                report.add("E_IMPORT", node, problem, "warning" if guarded else "error")
                break


def _import_problem(module, member):
    top = module.partition(".")[0]
    if top not in sys.stdlib_module_names:
        return f"import {module}: only the standard library is there"
    for name in (module, member):
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            prefix = ".".join(parts[:length])
            reason = USELESS_MODULES.get(prefix) or USELESS_MEMBERS.get(prefix)
            if reason:
                return f"import {prefix}: {reason}"
    return None


def check_members(program, report):
    """Calls that cannot work in a cell though their module can be imported."""
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Call):
            continue
        name = _dotted(node.func)
        reason = USELESS_MEMBERS.get(name)
        if reason:
            report.add("E_NOT_IN_CELL", node, f"{name}: {reason}")
        elif name == "input" and "input" not in program.bound and _is_global(program, "input"):
            report.add("E_NOT_IN_CELL", node, "input(): there is nobody to ask; the text is in user_input")
        elif name in ("asyncio.run", "asyncio.run_until_complete"):
            if isinstance(program.function_around(node), ast.AsyncFunctionDef):
                report.add("E_NESTED_LOOP", node, f"{name} inside an async function: await the call instead")


def _dotted(node):
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else None


def _is_global(program, name):
    """Whether no scope of the program binds the name itself."""
    for table in _tables(program.table):
        try:
            symbol = table.lookup(name)
        except KeyError:
            continue
        if symbol.is_local() or symbol.is_parameter() or symbol.is_assigned() or symbol.is_imported():
            return False
    return True


# --- tools ----------------------------------------------------------------------------------------------------------


def check_tool_calls(program, tools, report):
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        tool = tools.get(node.func.id)
        if tool is None or not _is_global(program, node.func.id):
            continue
        problem = _call_problem(tool, node)
        if problem:
            report.add("E_TOOL_ARGUMENTS", node, problem)


def _call_problem(tool, call):
    name, parameters = tool["name"], tool["parameters"]
    starred = any(isinstance(given, ast.Starred) for given in call.args)
    doubly = any(keyword.arg is None for keyword in call.keywords)
    positional = [parameter for parameter in parameters if not parameter["keyword_only"]]
    if not starred and len(call.args) > len(positional):
        return f"{name}() takes {len(positional)} positional argument(s), {len(call.args)} are given"
    known = {parameter["name"]: parameter for parameter in parameters}
    for keyword in call.keywords:
        if keyword.arg is not None and keyword.arg not in known:
            return f"{name}() takes no argument {keyword.arg!r}; it takes {', '.join(known)}"
    given = dict(zip((parameter["name"] for parameter in positional), call.args))
    for keyword in call.keywords:
        if keyword.arg in given and not starred:
            return f"{name}() gets {keyword.arg!r} twice"
        given[keyword.arg] = keyword.value
    if not starred and not doubly:
        for parameter in parameters:
            if parameter["required"] and parameter["name"] not in given:
                return f"{name}() needs {parameter['name']}"
    for parameter in parameters:
        value = None if starred else given.get(parameter["name"])
        if parameter["kind"] == "text" and _is_no_text(value):
            return f"{name}(): {parameter['name']} has to be a str"
    return None


def _is_no_text(value):
    if isinstance(value, ast.Constant):
        return not isinstance(value.value, str) and value.value is not None
    return isinstance(value, (ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp))


# --- awaits ---------------------------------------------------------------------------------------------------------


def check_awaits(program, tools, report):
    """Calls inside async functions whose awaitable is certainly never awaited."""
    names = {name for name, tool in tools.items() if tool["kind"] == "call" and _is_global(program, name)}
    for node in program.tree.body:
        if isinstance(node, ast.AsyncFunctionDef):
            generator = any(isinstance(inner, (ast.Yield, ast.YieldFrom)) for inner in _own_nodes(node))
            if not generator and not node.decorator_list and _bound_once(program, node.name):
                names.add(node.name)
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in names:
            continue
        function = program.function_around(node)
        if isinstance(function, ast.AsyncFunctionDef) and _never_awaited(program, node, function):
            report.add("E_NOT_AWAITED", node, f"{node.func.id}(…) is not awaited: write `await {node.func.id}(…)`, or gather several")


def _bound_once(program, name):
    bindings = 0
    for node in ast.walk(program.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bindings += node.name == name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            bindings += node.id == name
        elif isinstance(node, ast.arg):
            bindings += node.arg == name
        elif isinstance(node, ast.alias):
            bindings += (node.asname or node.name) == name
    return bindings == 1


def _never_awaited(program, node, function):
    """Whether the value of `node` goes where an awaitable is a mistake."""
    parent = program.parents.get(node)
    if isinstance(parent, ast.Expr):
        return True
    if isinstance(parent, ast.Return):
        return function.name == ENTRY_POINT
    if isinstance(parent, (ast.BinOp, ast.FormattedValue, ast.Compare, ast.UnaryOp, ast.Subscript)):
        return not (isinstance(parent, ast.Subscript) and parent.slice is node)
    if isinstance(parent, ast.Attribute):
        return parent.attr not in ("close", "send", "throw", "cr_frame")
    if isinstance(parent, (ast.If, ast.While)):
        return parent.test is node
    if isinstance(parent, ast.Call) and node in parent.args:
        return _takes_plain_values(parent.func)
    if isinstance(parent, (ast.ListComp, ast.SetComp, ast.GeneratorExp)) and parent.elt is node:
        return _never_awaited_list(program, parent, function)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        return _name_never_awaited(program, parent.targets[0].id, function, _never_awaited)
    return False


def _takes_plain_values(called):
    if isinstance(called, ast.Name):
        return called.id in PLAIN_BUILTINS
    return isinstance(called, ast.Attribute) and called.attr in PLAIN_METHODS


def _never_awaited_list(program, node, function):
    """The same for a list of awaitables: gathered, iterated or passed on, it is fine."""
    parent = program.parents.get(node)
    if isinstance(parent, ast.Expr):
        return True
    if isinstance(parent, ast.Call) and node in parent.args:
        return isinstance(parent.func, ast.Attribute) and parent.func.attr in ("join", "dumps")
    if isinstance(parent, ast.Return):
        return function.name == ENTRY_POINT
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name):
        return _name_never_awaited(program, parent.targets[0].id, function, _never_awaited_list)
    return False


def _name_never_awaited(program, name, function, is_mistake):
    stores, loads = 0, []
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == name:
            if isinstance(node.ctx, ast.Load):
                loads.append(node)
            else:
                stores += 1
    if stores != 1:
        return False  # which value a use sees is not known here
    return all(not isinstance(program.parents[load], ast.Assign) and is_mistake(program, load, function) for load in loads)


# --- the plan -------------------------------------------------------------------------------------------------------


def check_steps(program, tools, declared, report):
    if not declared or not _is_global(program, "step"):
        return
    titles, dynamic = {}, False
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step" and node.args:
            title = node.args[0]
            if isinstance(title, ast.Constant) and isinstance(title.value, str):
                titles.setdefault(title.value, node)
            else:
                dynamic = True
    planned = {step["title"] for step in declared}
    for title, node in titles.items():
        if title not in planned:
            report.warn("E_STEPS", node, f"the step {title!r} is not in the plan")
    if not dynamic:
        for title in sorted(planned - set(titles)):
            report.warn("E_STEPS", None, f"the planned step {title!r} is not marked in the program")
    planned_tools = {tool for step in declared for tool in step["tools"]}
    used = {node.id for node in ast.walk(program.tree) if isinstance(node, ast.Name) and node.id in tools}
    callable_tools = {name for name in used if tools[name]["kind"] == "call"}
    if planned_tools:
        for name in sorted(callable_tools - planned_tools):
            report.warn("E_STEPS", None, f"the program calls {name}, which no planned step names")
        for name in sorted(planned_tools - callable_tools):
            report.warn("E_STEPS", None, f"the plan names {name}, which the program does not call")


# --- secrets --------------------------------------------------------------------------------------------------------


def check_secrets(program, report):
    for node in ast.walk(program.tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if SECRET_SHAPES.search(node.value) or (
            SECRET_NAMES.search(_assigned_name(program, node)) and _looks_random(node.value)
        ):
            report.add("E_SECRET", node, "a literal looks like a key or password; programs hold no secrets")


def _looks_random(text):
    kinds = [any(test(c) for c in text) for test in (str.isdigit, str.isalpha)]
    return bool(SECRET_LITERAL.fullmatch(text)) and all(kinds)


def _assigned_name(program, node):
    parent = program.parents.get(node)
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        return parent.targets[0].id
    if isinstance(parent, ast.AnnAssign) and isinstance(parent.target, ast.Name):
        return parent.target.id
    if isinstance(parent, ast.keyword):
        return parent.arg or ""
    return ""
