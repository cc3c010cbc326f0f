def split_items(text: str) -> list[str]:
    """One item per line; on a single line, items between semicolons or else commas (not those of "1,000")."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) == 1:
        lines = re.split(r";" if ";" in lines[0] else r"(?<!\d),|,(?!\d{3}(?!\d))", lines[0])
    items = [re.sub(r"^\s*(?:[-*•–]|\d{1,3}[.)])\s+", "", line).strip() for line in lines]
    return [item for item in items if item]
