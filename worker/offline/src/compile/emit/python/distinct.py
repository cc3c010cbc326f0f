def distinct(items: list[str], ignore_case: bool) -> list[str]:
    """Each item once, in the order and spelling of its first occurrence."""
    first = {}
    for item in items:
        first.setdefault(item.casefold() if ignore_case else item, item)
    return list(first.values())
