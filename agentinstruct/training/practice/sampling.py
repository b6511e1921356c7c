"""Samples replies from a student in this process: several to a prompt, the same ones for the same seed.

transformers' `generate` keeps finished rows in the batch, copies its whole cache at each token and reads a prompt once
for each of its replies; for the tiny students that practise on a CPU that is most of the time, hence a loop of our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentinstruct.errors import ConfigurationError, Rejected
from agentinstruct.training.data import NO_LOSS, Conversation, ready_tokenizer, render
from agentinstruct.training.extras import need
from agentinstruct.training.fit import load_tokenizer
from agentinstruct.training.practice.cache import growing_cache

_CANDIDATES = 64
"""Likeliest tokens among which the nucleus is looked for first; sorting a whole vocabulary took a fifth of the time."""
_DROP_SHARE = 8
"""Finished rows leave the batch once they are an eighth of it: each leaving copies the cache."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a student said. `tokens` counts the one that ends the turn; unfinished means that it was cut short."""

    text: str
    finished: bool
    tokens: int


class Student:
    """A student that was loaded from a folder or the Hub, ready to answer; on a GPU where there is one.

    `rows` is the number of replies written at once. `parameters` are those a token is multiplied by: all but the
    input embeddings.
    """

    def __init__(self, folder: str | Path, *, rows: int = 256) -> None:
        torch, transformers = need("torch"), need("transformers")
        name = str(folder)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = ready_tokenizer(load_tokenizer(folder))
        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                name, dtype="auto", trust_remote_code=False, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"cannot load the student {name}: {error}") from error
        self._model = model.eval().to(self._device)
        self._rows = rows
        self._ends = self._turn_ends()
        embedded = model.get_input_embeddings().weight
        tied = model.get_output_embeddings() is None or model.get_output_embeddings().weight is embedded
        self.parameters = int(model.num_parameters()) - (0 if tied else int(embedded.numel()))

    def prompt_ids(self, prompt: str) -> list[int]:
        """Return the tokens the student reads before it answers: the user's turn and the start of its own."""
        return self._turn(prompt)[0]

    def _turn(self, prompt: str) -> tuple[list[int], int]:
        """Return a prompt's tokens, and the one with which training ends the turn after it."""
        turns = ({"role": "user", "content": prompt}, {"role": "assistant", "content": "x"})
        try:
            rendered = render(self.tokenizer, Conversation(turns), train_on="last")
        except Rejected as error:
            raise ConfigurationError(f"the student cannot be asked {prompt[:60]!r}: {error}") from error
        start = next(place for place, label in enumerate(rendered.labels) if label != NO_LOSS)
        return rendered.input_ids[:start], rendered.input_ids[-1]

    def sample(
        self,
        prompts: Sequence[str],
        *,
        samples: int,
        seed: int,
        max_new_tokens: int,
        temperature: float = 0.7,
        top_p: float = 0.95,
    ) -> list[list[Reply]]:
        """Return `samples` replies to each prompt; a `temperature` of 0 takes the likeliest token each time.

        The same prompts and seed give the same replies on the same machine, and the caller's random numbers are left
        alone. Raises `ConfigurationError` for a prompt that leaves no room for an answer.
        """
        torch = need("torch")
        ids = [self.prompt_ids(prompt) for prompt in prompts]
        self._check_room(ids, max_new_tokens)
        chance = torch.Generator().manual_seed(seed)
        draws = torch.rand(len(ids), samples, max_new_tokens, generator=chance)
        order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
        found: list[list[Reply]] = [[] for _ in ids]
        step = max(1, self._rows // samples)
        with torch.inference_mode():
            for start in range(0, len(order), step):
                places = order[start : start + step]
                written = self._write(
                    [ids[place] for place in places], draws[places], temperature=temperature, top_p=top_p
                )
                for number, tokens in enumerate(written):
                    found[places[number // samples]].append(self._reply(tokens, max_new_tokens))
        return found

    def _check_room(self, ids: Sequence[Sequence[int]], max_new_tokens: int) -> None:
        room = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        longest = max(map(len, ids), default=0)
        if room is not None and longest + max_new_tokens > room:
            raise ConfigurationError(
                f"a prompt of {longest} tokens and {max_new_tokens} new ones do not fit the {room} positions of the "
                "student: lower max_new_tokens, or leave the longest problems out"
            )

    def _reply(self, tokens: list[int], most: int) -> Reply:
        finished = bool(tokens) and tokens[-1] in self._ends
        text = self.tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True)
        return Reply(text=text.strip(), finished=finished, tokens=len(tokens))

    def _turn_ends(self) -> list[int]:
        """Return the tokens that end a turn: the model's own, and the one it was taught to write after a reply."""
        configured = self._model.generation_config.eos_token_id
        found = set(configured if isinstance(configured, list) else [configured])
        return sorted((found | {self.tokenizer.eos_token_id, self._turn("x")[1]}) - {None})

    def _write(self, prompts: list[list[int]], draws: Any, *, temperature: float, top_p: float) -> list[list[int]]:
        """Return the tokens of each reply: all of the first prompt's, then the second's."""
        torch = need("torch")
        _, samples, most = draws.shape
        draws = draws.reshape(-1, most).to(self._device)
        ends = torch.tensor(self._ends, device=self._device)
        output, cache, seen = self._read(prompts, samples, most)
        logits = output.logits[:, -1].repeat_interleave(samples, 0)
        rows = torch.arange(len(draws), device=self._device)
        tokens = torch.full(draws.shape, -1, device=self._device)
        going = torch.ones(len(draws), dtype=torch.bool, device=self._device)
        places = seen.sum(1)
        for step in range(most):
            taken = _choose(logits.float(), draws[rows, step], temperature=temperature, top_p=top_p)
            tokens[rows, step] = torch.where(going, taken, -1)
            going &= ~torch.isin(taken, ends)
            left = int(going.sum())
            if left == 0 or step + 1 == most:
                break
            if (len(rows) - left) * _DROP_SHARE >= len(rows):
                kept = going.nonzero()[:, 0]
                cache.batch_select_indices(kept)
                rows, seen, places, taken, going = rows[kept], seen[kept], places[kept], taken[kept], going[kept]
            seen = torch.cat([seen, seen.new_ones(len(rows), 1)], 1)
            logits = self._model(
                input_ids=taken[:, None],
                attention_mask=seen,
                position_ids=places[:, None],
                past_key_values=cache,
                use_cache=True,
            ).logits[:, -1]
            places = places + 1
        return [[token for token in row if token >= 0] for row in tokens.tolist()]

    def _read(self, prompts: list[list[int]], samples: int, room: int) -> tuple[Any, Any, Any]:
        """Read each prompt once, padded on the left; the cache is then shared out to its samples."""
        torch = need("torch")
        longest = max(map(len, prompts))
        padding = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[padding] * (longest - len(each)) + each for each in prompts], device=self._device)
        seen = torch.tensor([[0] * (longest - len(each)) + [1] * len(each) for each in prompts], device=self._device)
        cache = growing_cache(self._model.config, room)
        places = (seen.cumsum(1) - 1).clamp(min=0)
        output = self._model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache.batch_repeat_interleave(samples)
        return output, cache, seen.repeat_interleave(samples, 0)


def _choose(logits: Any, draws: Any, *, temperature: float, top_p: float) -> Any:
    """Return a token for each row: the smallest set of likeliest tokens that holds `top_p` is drawn from."""
    torch = need("torch")
    if temperature == 0:
        return logits.argmax(-1)
    chances = torch.softmax(logits / temperature, -1)
    likely, tokens = chances.topk(min(_CANDIDATES, chances.shape[-1]), -1)
    taken = _drawn(likely, tokens, draws, top_p)
    wide = (likely.sum(-1) < min(top_p, 1 - 1e-6)).nonzero()[:, 0]  # rows with more candidates than that
    if len(wide):
        likely, tokens = chances[wide].sort(-1, descending=True)
        taken[wide] = _drawn(likely, tokens, draws[wide], top_p)
    return taken


def _drawn(likely: Any, tokens: Any, draws: Any, top_p: float) -> Any:
    """Return the token at which each draw, from 0 to 1, falls within its row's nucleus."""
    torch = need("torch")
    summed = likely.cumsum(-1)
    inside = (summed - likely) < top_p
    total = torch.where(inside, likely, 0).sum(-1)
    passed = (summed <= (draws * total)[:, None]).sum(-1)
    return tokens.gather(-1, torch.minimum(passed, inside.sum(-1) - 1)[:, None])[:, 0]
