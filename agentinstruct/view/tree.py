"""One seed's tree: what each agent was asked and said, and which pairs and rejections came of it.

Pairs that share their first questions share a branch, so the tree is the one the flow walked; the numbers are the order
in which the answers came.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from rich.console import Console, Group
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from agentinstruct.records import Pair, Rejection
from agentinstruct.run import preview as previews
from agentinstruct.teacher import Exchange
from agentinstruct.view.words import printable, printable_line


def show(tree: previews.Tree, console: Console, *, length: int | None = 300) -> None:
    """Print the tree; texts are cut to `length` characters unless it is None."""
    seed = tree.seed
    root = Tree(
        f"[bold]{escape(printable_line(tree.flow))}[/bold] on {escape(printable_line(seed.source or seed.id))} "
        f"({seed.kind}, {len(seed.text.split())} words)"
    )
    _said(root, "seed", seed.text, length)
    branches: dict[tuple[str, ...], Tree] = {(): root}
    outcomes: list[Pair | Rejection] = [*tree.pairs, *tree.rejections]
    order = {key: place for place, key in enumerate(tree.exchanges)}
    outcomes.sort(key=lambda outcome: [order.get(key, -1) for key in _path(outcome)])
    for outcome in outcomes:
        path = _path(outcome)
        for depth in range(1, len(path) + 1):
            if path[:depth] not in branches:
                exchange = tree.exchanges.get(path[depth - 1])
                parent = branches[path[: depth - 1]]
                number = order.get(path[depth - 1], 0) + 1
                branches[path[:depth]] = _exchange(parent, number, exchange, length) if exchange else parent
        _outcome(branches[path], outcome, length)
    drawn = {key for path in branches for key in path}
    for key, exchange in tree.exchanges.items():
        if key not in drawn:  # it led to nothing: the item failed, or a changed prompt asked anew
            _exchange(root, order[key] + 1, exchange, length)
    if tree.error:
        root.add(Text(f"✗ failed: {_cut(tree.error.strip(), length)}", style="red"))
    if tree.pending:
        root.add(Text("… not finished: the next `agentinstruct generate` goes on from here", style="yellow"))
    console.print(root)
    console.print(f"{len(tree.exchanges)} calls, {len(tree.pairs)} pairs, {len(tree.rejections)} rejections")


def list_items(items: Iterable[tuple[str, str, str, str, int, str]], console: Console) -> None:
    """Print a line for each of a run's items."""
    for state, flow, seed, source, pairs, error in items:
        told = f": {error.strip().splitlines()[-1]}" if state == "failed" and error.strip() else ""
        line = printable_line(f"{state:<8}{pairs:>4} pairs  {flow}  {seed}{told}{f'  ({source})' if source else ''}")
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _path(outcome: Pair | Rejection) -> tuple[str, ...]:
    return tuple(asked.request for asked in outcome.lineage.asked) if outcome.lineage else ()


def _exchange(parent: Tree, number: int, exchange: Exchange, length: int | None) -> Tree:
    """Draw a question and its answer; where it is a conversation, as after a reply in need of repair, all of it."""
    branch = parent.add(f"{number} [cyan]{escape(printable_line(exchange.agent))}[/cyan]")
    for message in json.loads(exchange.request):
        if message["role"] != "system":
            label = "it had said" if message["role"] == "assistant" else "asked"
            _said(branch, label, str(message["content"]), length)
    reply = json.loads(exchange.reply)
    _said(branch, "said", reply["reason"] if isinstance(reply, dict) else _readable(reply[0]), length)
    return branch


def _outcome(branch: Tree, outcome: Pair | Rejection, length: int | None) -> None:
    if isinstance(outcome, Rejection):
        detail = f": {outcome.detail}" if outcome.detail else ""
        branch.add(Text(f"✗ {outcome.stage}: {printable_line(outcome.reason)}{_cut(detail, length)}", style="red"))
        return
    verdicts = ", ".join(verdict.check for verdict in outcome.verdicts) or "no check"
    pair = branch.add(Text(printable_line(f"✓ pair {outcome.id} ({outcome.type}; passed {verdicts})"), style="green"))
    for message in outcome.messages:
        _said(pair, message.role, message.content or "", length)


def _said(branch: Tree, label: str, text: str, length: int | None) -> None:
    branch.add(Group(Text(label, style="dim"), Padding(Text(_cut(text, length)), (0, 0, 0, 2))))


def _readable(content: object) -> str:
    """Return a reply for reading: JSON indented, text as it is."""
    if not isinstance(content, str):
        return json.dumps(content, ensure_ascii=False, indent=1)
    try:
        return json.dumps(json.loads(content), ensure_ascii=False, indent=1)
    except (ValueError, RecursionError):
        return content


def _cut(text: str, length: int | None) -> str:
    return printable(text if length is None or len(text) <= length else f"{text[:length].rstrip()} …")
