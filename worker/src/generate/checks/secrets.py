"""Literals that look like keys or passwords."""

# Shapes of real credentials, and names that hold one when a long literal is assigned to them.
SECRET_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{20,}|(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}|AIza[0-9A-Za-z_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}|wfk_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{16,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
SECRET_NAMES = re.compile(r"(?i)(?:^|_)(?:api_?key|secret(?:_key)?|access_?token|auth_?token|password|passwd)$")
SECRET_LITERAL = re.compile(r"[A-Za-z0-9+/=_.\-]{16,}")


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
