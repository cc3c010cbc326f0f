"""The official clients of Anthropic and LightOn against the fakes: what their parsers and error classes accept is
shaped like the original. Usage: clients.py ANTHROPIC_URL LIGHTON_URL. Prints `ok` at the end."""

import sys

import anthropic
import lighton
from lighton import exceptions

ANTHROPIC_URL, LIGHTON_URL = sys.argv[1:]
QUESTION = {"model": "claude-haiku-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "Où est l'été ?"}]}


def anthropic_client(key="key"):
    return anthropic.Anthropic(api_key=key, base_url=ANTHROPIC_URL, max_retries=0, timeout=20)


def raises(error_class, call):
    try:
        call()
    except error_class as error:
        return error
    raise AssertionError(f"{error_class.__name__} was not raised")


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


def check_anthropic():
    client = anthropic_client()
    message = client.messages.create(**QUESTION)
    assert text_of(message) == "Reply to: Où est l'été ?", message
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 0, message
    with client.messages.stream(**QUESTION) as stream:
        streamed = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert streamed == text_of(final) == text_of(message), streamed
    assert client.messages.count_tokens(model=QUESTION["model"], messages=QUESTION["messages"]).input_tokens > 0
    assert any(model.id == QUESTION["model"] for model in client.models.list())
    raises(anthropic.AuthenticationError, lambda: anthropic_client("wrong").messages.create(**QUESTION))
    raises(anthropic.NotFoundError, lambda: client.messages.create(**{**QUESTION, "model": "claude-none"}))
    raises(anthropic.BadRequestError, lambda: client.messages.create(**{**QUESTION, "max_tokens": 0}))
    # Scripted by the test, in this order.
    limited = raises(anthropic.RateLimitError, lambda: client.messages.create(**QUESTION))
    assert limited.response.headers["retry-after"] == "1", limited
    overloaded = raises(anthropic.APIStatusError, lambda: client.messages.create(**QUESTION))
    assert overloaded.status_code == 529, overloaded
    assert client.messages.create(**QUESTION).stop_reason == "refusal"


def check_lighton():
    configuration = lighton.LightOnConfiguration(base_url=LIGHTON_URL, rate_limit_retries=0)
    with lighton.LightOn("key", config=configuration) as client:
        answer = client.ask("Quel est le délai ?")
        assert answer.answer == "Answer to: Quel est le délai ?", answer
        assert answer.results[0].source.filename == "fake.pdf", answer
        limited = raises(exceptions.RateLimitError, lambda: client.ask("limited"))
        assert limited.retry_after == 2, limited.retry_after
        raises(exceptions.ServerError, lambda: client.ask("broken"))
    with lighton.LightOn("wrong", config=configuration) as client:
        raises(exceptions.AuthenticationError, lambda: client.ask("Quel est le délai ?"))


check_anthropic()
check_lighton()
print("ok")
