"""Modules and members that are of no use in a cell."""

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
