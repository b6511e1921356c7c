"""The verbs of agentinstruct from Python. Run it from the root of a checkout: `python examples/api_tour.py`."""

import sys
from pathlib import Path

import agentinstruct
from agentinstruct import ReadOptions, Seed
from agentinstruct.dataset import read_pairs


def main(out: Path) -> None:
    """Read, preview, estimate, generate, and look at what came out."""
    found = list(agentinstruct.read_seeds(["seeds/sample"], options=ReadOptions(license="CC0-1.0")))
    seeds = [each for each in found if isinstance(each, Seed) and each.kind == "text"]
    print(f"{len(seeds)} seeds, for example {seeds[0].source}")

    tree = agentinstruct.preview(seeds, "reading_comprehension", index=1, teacher="recorded:sample")
    print(f"one seed: {len(tree.exchanges)} questions to the teacher, {len(tree.pairs)} pairs")

    whole = agentinstruct.estimate(seeds, ["reading_comprehension"], teacher="openai:gpt-4.1-mini")
    print(f"all seeds: about {whole.calls} calls")

    summary = agentinstruct.generate(seeds[:5], ["reading_comprehension"], out, teacher="recorded:sample")
    print(f"{summary.pairs} pairs from {summary.items} items, rejections: {sum(summary.rejections.values())}")

    first = next(read_pairs(out))
    print(first["messages"][0]["content"][-200:], "→", first["messages"][1]["content"], sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/tour"))
