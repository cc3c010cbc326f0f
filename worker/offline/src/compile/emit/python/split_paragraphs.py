def split_paragraphs(text: str) -> list[str]:
    """The stretches of text between blank lines."""
    return [paragraph.strip() for paragraph in re.split(r"\r?\n[^\S\n]*\r?\n", text) if paragraph.strip()]
