# After these, a full stop does not end a sentence.
ABBREVIATIONS = set(
    "dr drs mr mrs ms mme mmes mlle mlles mm prof pr st ste mgr gen col capt lt sgt rev hon gov sen rep vs cf e.g i.e "
    "eg ie fig figs art p pp vol chap ch approx env ex tel tél n° nos éd ed dept réf ref av bd resp".split()
)
# After these, it ends none when a number follows.
BEFORE_NUMBERS = set("no nr jan feb mar apr jun jul aug sep sept oct nov dec janv févr avr juil déc".split())
# After these, it ends one only when a capital follows.
OPEN_ENDED = set("etc inc ltd co corp jr sr a.m p.m am pm cie sté".split())


def ends_sentence(before: str, mark: str, after: str) -> bool:
    """Whether the mark between the two stretches of text ends a sentence."""
    following = after.lstrip().lstrip("\"'«“‘([ \u00a0\u202f")[:1]
    if not following:
        return True
    if "?" in mark or "!" in mark:
        # « Vraiment ! » dit-il: a quotation that goes on.
        return not (mark[-1] in "»”\"'" and following.islower())
    if "..." in mark or "…" in mark:
        return following.isupper() or following.isdigit()
    words = before.split()
    word = words[-1].lstrip("\"'«“‘([").casefold() if words else ""
    word = word.rpartition("'")[2].rpartition("’")[2]
    if not words or (len(words) == 1 and re.fullmatch(r"\d{1,3}|[a-z]", word)):
        return False  # "1. First point"
    if word in ABBREVIATIONS or (word in BEFORE_NUMBERS and following.isdigit()):
        return False
    if word in OPEN_ENDED:
        return following.isupper()
    # Initials and dotted abbreviations: "J. Martin", "the U.S. office".
    return not (re.fullmatch(r"[^\W\d_]", word) and words[-1][-1:].isupper()) and not re.fullmatch(
        r"(?:[^\W\d_]\.)+[^\W\d_]", word
    )


def split_sentences(text: str) -> list[str]:
    """The sentences as typed, in order; text without final punctuation is a sentence too."""
    sentences = []
    # A blank line or a list item ends a sentence whatever its punctuation; so does a line break before a capital.
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*•–]\s|\d+[.)]\s|[\"'«“(¿¡]*\s?[A-ZÀ-ÖØ-ÞŒ0-9]))", text):
        start = 0
        for mark in re.finditer(r"(?<![.!?…])[.!?…]++(?:\s?»|[\"'”’)\]])*+(?=\s|$)|[。！？]", block):
            before = block[max(start, mark.start() - 80) : mark.start()]
            after = block[mark.end() : mark.end() + 80]
            if mark[0] in "。！？" or ends_sentence(before, mark[0], after):
                sentences.append(block[start : mark.end()])
                start = mark.end()
        sentences.append(block[start:])
    sentences = [" ".join(line.strip() for line in sentence.strip().splitlines()) for sentence in sentences]
    return [sentence for sentence in sentences if re.search(r"\w", sentence)]
