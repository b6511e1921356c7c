"""What every layer does for the client inside it, and how a client is identified."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Unpack

from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage, ModelInfo
from autogen_ext.models.openai import OpenAIChatCompletionClient
from autogen_ext.models.replay import ReplayChatCompletionClient

from agentinstruct.teacher.layer import Layer, RequestOptions, identity_of, without_secrets
from tests.teacher.scripted import QUESTION, ScriptedClient

INFO = ModelInfo(vision=False, function_calling=True, json_output=True, structured_output=True, family="unknown")


def autogens_own(**settings: object) -> ChatCompletionClient:
    fields = {"model": "spider-1", "api_key": "sk-secret", "base_url": "http://127.0.0.1:1/v1", "model_info": INFO}
    return OpenAIChatCompletionClient(**{**fields, **settings})  # type: ignore[arg-type]  # a dict of mixed types


def test_streaming_goes_through_create() -> None:
    class Louder(Layer):
        async def create(self, messages: Sequence[LLMMessage], **options: Unpack[RequestOptions]) -> CreateResult:
            result = await super().create(messages, **options)
            return result.model_copy(update={"content": "EIGHT!"})

    async def run() -> list[str | CreateResult]:
        return [piece async for piece in Louder(Layer(ScriptedClient())).create_stream(QUESTION)]

    words, result = asyncio.run(run())
    assert words == "EIGHT!"
    assert isinstance(result, CreateResult) and result.content == "EIGHT!"


def test_a_layer_is_identified_as_the_client_inside_it() -> None:
    client = ScriptedClient()
    assert identity_of(Layer(Layer(client))) == client.identity()
    assert Layer(client).count_tokens(QUESTION) == 7


def test_a_client_of_autogen_is_identified_by_its_settings_without_its_key() -> None:
    plain, warmer, other_key = autogens_own(), autogens_own(temperature=0.9), autogens_own(api_key="sk-other")
    assert identity_of(plain)["model"] == "spider-1"
    assert identity_of(plain) != identity_of(warmer)
    assert identity_of(plain) == identity_of(other_key)
    assert "secret" not in str(identity_of(plain))


def test_an_identity_is_the_same_in_every_process() -> None:
    client = ReplayChatCompletionClient(["Eight."], model_info=INFO)
    assert identity_of(client) == identity_of(ReplayChatCompletionClient(["Eight."], model_info=INFO))
    assert " at 0x" not in str(identity_of(client))


def test_secrets_are_told_from_settings_by_their_names() -> None:
    settings = {
        "max_tokens": 5,
        "top_k": 4,
        "apiKey": "a",
        "azure_ad_token": "b",
        "default_headers": {"x": "c"},
        "nested": [{"client-secret": "d", "seed": 1}],
        "url": "https://me:e@host/v1?api-key=f",
    }
    assert without_secrets(settings) == {
        "max_tokens": 5,
        "top_k": 4,
        "nested": [{"seed": 1}],
        "url": "https://host/v1",
    }
