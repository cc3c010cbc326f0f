"""Awaitables that are never awaited."""

# Calls that take a plain value: a coroutine given to them is a mistake.
PLAIN_BUILTINS = {"str", "len", "print", "int", "float", "bool", "repr", "sum", "min", "max", "format", "ord", "bytes"}
PLAIN_METHODS = {"join", "dumps", "loads", "format", "write", "replace", "sub", "match", "search", "findall", "fullmatch"}


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
