def table_cell(text: str) -> str:
    """The text on one line, with the column mark escaped."""
    return " ".join(text.split()).replace("|", "\\|")
