def number_in(text: str, units: list[str]) -> float:
    """The first number of the text; with units, the first that has one of them beside it."""
    number = r"\d+(?:[ \u00a0\u202f]\d{3}(?!\d))*(?:[.,]\d+)*"
    unit = "|".join(re.escape(unit) for unit in units)
    pattern = rf"({number})\s*(?:{unit})(?!\w)|(?<!\w)(?:{unit})\s*({number})" if units else rf"({number})"
    match = re.search(pattern, text, re.IGNORECASE)
    if not match:
        raise ValueError(f"no number in: {text[:200]}")
    digits = re.sub(r"\s", "", next(group for group in match.groups() if group))
    # "1,150" and "1.150.000" are thousands, "0,5" and "12.5" are decimals.
    if re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif digits.count(".") > 1 or ("." in digits and "," in digits and digits.rindex(",") > digits.rindex(".")):
        digits = digits.replace(".", "")
    return float(digits.replace(",", "."))
