"""Names that nothing binds."""

# Module-level names that CPython defines, and those of class bodies and methods.
IMPLICIT_NAMES = {
    "__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__package__", "__loader__", "__annotations__",
    "__debug__", "__dict__", "__class__", "__qualname__", "__module__", "__conditional_annotations__",
    "__classdict__", "__path__", "__annotate__",
}


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
