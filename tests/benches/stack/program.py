"""The README's example without its network: split into sentences, search, format. It runs unchanged everywhere."""

import re


async def paradigm_search(query):
    return "Answer to: " + query


async def execute_workflow(user_input: str) -> str:
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+", user_input) if part.strip()]
    pairs = []
    for sentence in sentences:
        answer = await paradigm_search(sentence)
        pairs.append(f"Question: {sentence}\nAnswer: {answer}")
    return "\n\n".join(pairs)
