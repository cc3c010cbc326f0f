"""The entry point: there is one, it takes the text, it is no generator."""


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
