"""Chat templates of the kinds there are, each with what the student must write for a turn; and random conversations."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from agentinstruct.training.data.conversations import Conversation
from agentinstruct.training.data.rendering import ready_tokenizer

Turn = dict[str, Any]
CONTROLS = ["<|im_start|>", "<|im_end|>", "<|start|>", "<|body|>", "<|stop|>", "<|final|>", "[INST]", "[/INST]"]


@dataclass(frozen=True)
class Chat:
    """A template, its reply to a turn, and whether it can be told of tools."""

    template: str | None
    reply: Callable[[Turn], str]
    tools: bool = True


def _calls(turn: Turn, before: str, after: str) -> str:
    told = [
        json.dumps({"name": call["function"]["name"], "arguments": call["function"]["arguments"]}, ensure_ascii=False)
        for call in turn.get("tool_calls", [])
    ]
    return "".join(before + call + after for call in told)


def _written(before: str, after: str) -> str:
    told = "{'name': c.function.name, 'arguments': c.function.arguments} | tojson"
    return f"{{% for c in m.tool_calls or [] %}}{{{{ '{before}' + {told} + '{after}' }}}}{{% endfor %}}"


PLAIN = Chat(None, lambda turn: turn.get("content", "") + _calls(turn, "<call>", "</call>") + "</s>")
CHATML = Chat(
    "{% if tools %}{{ '<|im_start|>system\\n' + tools | tojson + '<|im_end|>\\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + (m.content or '') }}"
    + _written("\\n<tool_call>\\n", "\\n</tool_call>")
    + "{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    lambda turn: turn.get("content", "") + _calls(turn, "\n<tool_call>\n", "\n</tool_call>") + "<|im_end|>",
)
MARKED = Chat(  # heads and ends of turns, `generation` marks, and an end of text once a conversation
    "{{ bos_token }}{% for m in messages %}{{ '<|start|>' + m.role + '<|body|>' }}{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content or '' }}" + _written("", "") + "{{ '<|stop|>' }}{% endgeneration %}"
    "{% else %}{{ m.content + '<|stop|>' }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start|>assistant<|body|>' }}{% else %}{{ eos_token }}{% endif %}",
    lambda turn: turn.get("content", "") + _calls(turn, "", "") + "<|stop|>",
)
INSTRUCT = Chat(  # no prompt for the reply; the system's words within the user's; roles must alternate
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for m in messages %}"
    "{% if m.role == 'system' %}{% set ns.system = m.content + '\\n\\n' %}"
    "{% elif m.role == 'user' %}{{ '[INST] ' + ns.system + m.content + ' [/INST]' }}{% set ns.system = '' %}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}"
    "{% else %}{{ raise_exception('only users and assistants') }}{% endif %}{% endfor %}",
    lambda turn: " " + str(turn["content"]) + "</s>",
    tools=False,
)
STRIPPING = Chat(  # drops blanks at the edges, and the reasoning of all replies but the last
    "{% for m in messages %}{% set said = m.content %}"
    "{% if m.role == 'assistant' and not loop.last %}{% set said = said.split('</think>')[-1] %}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\\n' + said | trim + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    lambda turn: turn["content"].strip() + "<|im_end|>",
    tools=False,
)
MELTING = Chat(  # the prompt ends with a blank that would melt into the first word of the reply
    "{{ bos_token }}{% for m in messages %}{{ m.role + ': ' + m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}",
    lambda turn: turn["content"] + "</s>",
    tools=False,
)
CHANNELS = Chat(  # ends the last turn otherwise than earlier ones, and closes a frame before it ends one
    "{% for m in messages %}{{ '<|start|>' + m.role }}{% if m.role == 'assistant' %}{{ '<|body|>' + m.content }}"
    "{{ '<|final|><|im_end|>' if loop.last else '<|stop|>' }}{% else %}{{ '<|body|>' + m.content + '<|stop|>' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}",
    lambda turn: "<|body|>" + turn["content"] + "<|final|><|im_end|>",
    tools=False,
)
CHATS = {
    "plain": PLAIN,
    "chatml": CHATML,
    "marked": MARKED,
    "instruct": INSTRUCT,
    "stripping": STRIPPING,
    "melting": MELTING,
    "channels": CHANNELS,
}


def with_template(tokenizer: Any, chat: Chat) -> Any:
    """Return a copy of `tokenizer` that speaks so."""
    speaking = deepcopy(tokenizer)
    speaking.chat_template = chat.template
    if chat.template is not None:
        speaking.add_tokens(CONTROLS, special_tokens=True)
    return ready_tokenizer(speaking)


_LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\U000f0000\U000f0001")
_WORDS = st.sampled_from(
    ["12 + 30 = 42.", "</s>", "<s>", *CONTROLS, "\n", "\n\n", "  ", " apples", "\t", "é́", "<th", "###"]
)
TEXT = st.lists(_WORDS | st.text(_LETTERS, max_size=8), max_size=5).map("".join)
REPLY = TEXT.filter(lambda text: bool(text.strip())) | st.just("<think>30 more</think>\n42")
_CALL = st.builds(
    lambda number, word: {
        "id": "1",
        "type": "function",
        "function": {"name": "add", "arguments": {"a": number, "word": word}},
    },
    st.integers(),
    TEXT,
)
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}


@st.composite
def conversations(draw: st.DrawFn, *, tools: bool = False) -> Conversation:
    """Draw a conversation of one to four exchanges, some of them by way of a tool."""
    turns: list[Turn] = []
    if draw(st.booleans()):
        turns.append({"role": "system", "content": draw(TEXT)})
    for _ in range(draw(st.integers(1, 4))):
        turns.append({"role": "user", "content": draw(TEXT)})
        if tools and draw(st.booleans()):
            calling: Turn = {"role": "assistant", "tool_calls": draw(st.lists(_CALL, min_size=1, max_size=2))}
            turns.append({**calling, **draw(st.sampled_from([{}, {"content": "I add."}]))})
            turns.append({"role": "tool", "content": draw(TEXT), "name": "add", "tool_call_id": "1"})
        turns.append({"role": "assistant", "content": draw(REPLY)})
    return Conversation(tuple(turns), (TOOL,) if tools else (), "row 1")
