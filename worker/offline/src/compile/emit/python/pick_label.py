def pick_label(reply: str, labels: list[str]) -> str:
    """The label that the reply names first, whatever its case; a reply that names none stays as it is."""
    found = []
    for label in labels:
        match = re.search(rf"(?<!\w){re.escape(label)}(?!\w)", reply, re.IGNORECASE)
        if match:
            found.append((match.start(), -len(label), label))
    return min(found)[2] if found else reply.strip()
