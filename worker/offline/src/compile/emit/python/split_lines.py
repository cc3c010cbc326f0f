def split_lines(text: str) -> list[str]:
    """The lines that are not blank, without surrounding blanks."""
    return [line.strip() for line in text.splitlines() if line.strip()]
