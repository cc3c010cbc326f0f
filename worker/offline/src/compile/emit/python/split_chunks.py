def split_chunks(text: str, size: int) -> list[str]:
    """Pieces of at most `size` characters; only a word longer than that is cut."""
    chunks = [""]
    for word in text.split():
        while word:
            if len(chunks[-1]) + bool(chunks[-1]) + len(word) <= size:
                chunks[-1] = f"{chunks[-1]} {word}" if chunks[-1] else word
                break
            if chunks[-1]:
                chunks.append("")
            elif len(word) > size:
                chunks[-1], word = word[:size], word[size:]
                chunks.append("")
    return [chunk for chunk in chunks if chunk]
