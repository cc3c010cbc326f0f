"""The official clients of Anthropic and LightOn against the fakes: what their parsers and error classes accept is
shaped like the original. Usage: clients.py ANTHROPIC_URL LIGHTON_URL. Prints `ok` at the end."""

import sys
import time

import anthropic
import httpx2
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
    raise AssertionError(f"{error_class} was not raised")


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
    assert limited.type == "rate_limit_error" and limited.request_id.startswith("req_"), limited
    overloaded = raises(anthropic.OverloadedError, lambda: client.messages.create(**QUESTION))
    assert overloaded.status_code == 529 and overloaded.type == "overloaded_error", overloaded
    for error_class in (
        anthropic.InternalServerError,
        anthropic.PermissionDeniedError,
        anthropic.PaymentRequiredError,
        anthropic.ContentTooLargeError,
    ):
        raises(error_class, lambda: client.messages.create(**QUESTION))
    for stop_reason in ("refusal", "max_tokens", "pause_turn", "model_context_window_exceeded"):
        assert client.messages.create(**QUESTION).stop_reason == stop_reason
    # A stream that reports an error, and one that is cut: neither is an answer.
    broken = raises(anthropic.APIStatusError, lambda: stream_to_its_end(client))
    assert "overloaded" in str(broken), broken
    raises((anthropic.APIError, httpx2.HTTPError), lambda: stream_to_its_end(client))
    # A client that retries does so as the headers tell, and not when they tell it not to.
    patient = anthropic.Anthropic(api_key="key", base_url=ANTHROPIC_URL, max_retries=2, timeout=20)
    began = time.monotonic()
    assert text_of(patient.messages.create(**QUESTION)) == "after a pause"
    assert time.monotonic() - began >= 1, "retry-after is waited for"
    raises(anthropic.OverloadedError, lambda: patient.messages.create(**QUESTION))
    raises(anthropic.APITimeoutError, lambda: client.with_options(timeout=0.5).messages.create(**QUESTION))


def stream_to_its_end(client):
    with client.messages.stream(**QUESTION) as stream:
        return stream.get_final_message()


def check_lighton():
    configuration = lighton.LightOnConfiguration(base_url=LIGHTON_URL, rate_limit_retries=0)
    with lighton.LightOn("key", config=configuration) as client:
        answer = client.ask("Quel est le délai ?")
        assert answer.answer == "Answer to: Quel est le délai ?", answer
        assert answer.results[0].source.filename == "fake.pdf", answer
        found = client.search("Quel est le délai ?", workspaces=[1], max_results=3)
        assert found.results[0].content == "Answer to: Quel est le délai ?", found
        # Streamed: the sources, the answer in pieces, the end.
        events = list(client.ask("Quel est le délai ?", stream=True))
        assert [events[0].type, events[-1].type] == ["sources", "done"], events
        pieces = [event.text for event in events if event.type == "token"]
        assert len(pieces) > 1 and "".join(pieces) == answer.answer, pieces
        raises(exceptions.StreamError, lambda: list(client.ask("error-event", stream=True)))
        raises(exceptions.LightOnConnectionError, lambda: list(client.ask("cut-stream", stream=True)))
        both = raises(exceptions.LightOnAPIError, lambda: client.search("x", workspaces=[1], files=[2]))
        assert both.status_code == 422, both
        limited = raises(exceptions.RateLimitError, lambda: client.ask("limited"))
        assert limited.retry_after == 2, limited.retry_after
        raises(exceptions.ServerError, lambda: client.ask("broken"))
        raises(exceptions.PermissionDeniedError, lambda: client.search("forbidden"))
        raises(exceptions.MalformedResponseError, lambda: client.search("garbled"))
    with lighton.LightOn("wrong", config=configuration) as client:
        raises(exceptions.AuthenticationError, lambda: client.ask("Quel est le délai ?"))


check_anthropic()
check_lighton()
print("ok")
