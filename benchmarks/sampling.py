"""How fast are several replies to each problem sampled on a CPU? Our loop beside transformers' `generate`.

Both answer the same problems from the same student, batched alike; a token counts once it is part of a reply. The
rounds are interleaved, and the greedy replies of both must be the same. Exit status 1 when they are not.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

SAMPLES = 4
LONGEST = 60


def main() -> int:
    """Make a student, let both answer, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--student", type=Path, help="its folder; one is made and taught for a minute if left out")
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write JSON")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        found = compare(told.student or taught_student(Path(made)), told.problems, told.rounds)
    print(f"{'':14}tokens a CPU second, median of {told.rounds} rounds")
    for name in ("ours", "generate"):
        print(f"{name:14}{found[name]:,.0f}")
    print(f"{'ratio':14}{found['ours'] / found['generate']:.2f}")
    if told.out:
        told.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if found["same"] else 1


def compare(student: Path, problems: int, rounds: int) -> dict[str, Any]:
    """Return tokens a CPU second of both, and whether their greedy replies are the same."""
    from agentinstruct.training.practice.sampling import Student
    from examples.orca_math_small.problems import write_problems

    ours = Student(student)
    theirs = Generating(student)
    prompts = [problem.question for problem in write_problems(problems, "test", 0)]
    speeds: dict[str, list[float]] = {"ours": [], "generate": []}
    for number in range(rounds):
        started = time.process_time()
        replies = ours.sample(prompts, samples=SAMPLES, seed=number, max_new_tokens=LONGEST)
        speeds["ours"].append(sum(reply.tokens for said in replies for reply in said) / (time.process_time() - started))
        started = time.process_time()
        written = theirs.sample([ours.prompt_ids(prompt) for prompt in prompts], SAMPLES)
        speeds["generate"].append(sum(len(each) for each in written) / (time.process_time() - started))
    greedy = [said[0].text for said in ours.sample(prompts, samples=1, seed=0, max_new_tokens=LONGEST, temperature=0)]
    plain = theirs.sample([ours.prompt_ids(prompt) for prompt in prompts], 1, greedy=True)
    return {
        **{name: median(each) for name, each in speeds.items()},
        "same": greedy == [theirs.text(each) for each in plain],
    }


class Generating:
    """transformers' own way: `generate` over batches sorted by length, each prompt given once for each reply."""

    def __init__(self, student: Path, *, rows: int = 256) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(student)
        self._model = AutoModelForCausalLM.from_pretrained(student).eval()
        self._rows = rows

    def sample(self, prompts: list[list[int]], samples: int, *, greedy: bool = False) -> list[list[int]]:
        """Return the tokens of each reply up to the end of its turn, the replies to a prompt beside each other."""
        import torch

        chances = {"do_sample": False} if greedy else {"do_sample": True, "temperature": 0.7, "top_p": 0.95, "top_k": 0}
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
        step = self._rows // samples
        found: dict[int, list[list[int]]] = {}
        for start in range(0, len(order), step):
            places = order[start : start + step]
            longest = max(len(prompts[place]) for place in places)
            padding = [longest - len(prompts[place]) for place in places]
            ids = [
                [self._tokenizer.pad_token_id] * gap + prompts[place]
                for gap, place in zip(padding, places, strict=True)
            ]
            seen = [[0] * gap + [1] * (longest - gap) for gap in padding]
            with torch.inference_mode():
                written = self._model.generate(
                    input_ids=torch.tensor(ids),
                    attention_mask=torch.tensor(seen),
                    max_new_tokens=LONGEST,
                    num_return_sequences=samples,
                    **chances,
                )
            for number, row in enumerate(written[:, longest:].tolist()):
                found.setdefault(places[number // samples], []).append(self._until_end(row))
        return [each for place in range(len(prompts)) for each in found[place]]

    def text(self, tokens: list[int]) -> str:
        """Return a reply as words."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def _until_end(self, row: list[int]) -> list[int]:
        end = self._tokenizer.eos_token_id
        return row[: row.index(end) + 1] if end in row else row


def taught_student(folder: Path) -> Path:
    """Make the student of the small experiment and teach it until it ends its replies."""
    from agentinstruct.training.data.inspection import prepare
    from agentinstruct.training.data.rendering import ready_tokenizer
    from agentinstruct.training.fit.models import load_tokenizer
    from agentinstruct.training.fit.sft import fit_sft
    from examples.orca_math_small.experiment import SFT
    from examples.orca_math_small.problems import write_problems
    from examples.orca_math_small.student import make_student

    problems = write_problems(4000, "train", 0)
    rows = [{"prompt": each.question, "completion": each.solution} for each in problems]
    source = folder / "train.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    texts = [f"{row['prompt']} {row['completion']}" for row in rows]
    make_student(folder / "random", texts, width=64, layers=3, seed=0)
    tokenizer = ready_tokenizer(load_tokenizer(folder / "random"))
    data, _ = prepare(source, tokenizer, SFT, folder=folder / "data")
    return fit_sft(folder / "random", data, SFT, folder / "sft", tokenizer=tokenizer).folder


if __name__ == "__main__":
    sys.exit(main())
