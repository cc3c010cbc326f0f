def number_in(text: str, units: list[str]) -> float:
    """The first number of the text; with units, the first that has one of them beside it."""
    grouped = r"\d{1,3}(?:[.,]\d{3}(?!\d))+|\d{1,3}(?:[ \u00a0\u202f]\d{3}(?!\d))+"
    number = rf"(?<!\w)(?<!\d[.,])(?:{grouped}|\d++)(?:[.,]\d++)?"
    unit = "|".join(re.escape(unit) for unit in units)
    pattern = rf"({number})\s*(?:{unit})(?!\w)|(?<!\w)(?:{unit})\s*({number})" if units else rf"({number})"
    match = re.search(pattern, text, re.IGNORECASE)
    if not match:
        raise ValueError(f"no number in: {text[:200]}")
    digits = re.sub(r"\s", "", next(group for group in match.groups() if group))
    # "1,150" and "1.150.000" are thousands, "0,5" and "12.5" are decimals; of two marks the last is the decimal one.
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif digits.count(".") > 1 or digits.rfind(",") > digits.rfind(".") >= 0:
        digits = digits.replace(".", "")
    return float(digits.replace(",", "."))
