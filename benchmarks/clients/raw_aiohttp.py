"""The chain on aiohttp alone: the floor, beneath which no client in Python gets."""

from __future__ import annotations

import asyncio

import aiohttp

from benchmarks.chain import MODEL, arguments, documents, steps, write_rows


async def main() -> None:
    """Work through the documents, as many at once as calls may be in flight."""
    options = arguments()
    source, rows, questions = documents(options.chains), [], steps()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=options.concurrency)) as session:

        async def work() -> None:
            for row in source:
                for step in questions:
                    body = {"model": MODEL, "messages": step.messages(row)}
                    async with session.post(f"{options.url}/chat/completions", json=body) as reply:
                        reply.raise_for_status()
                        row[step.column] = (await reply.json())["choices"][0]["message"]["content"]
                rows.append(row)

        await asyncio.gather(*(work() for _ in range(options.concurrency)))
    write_rows(options.out, rows)


if __name__ == "__main__":
    asyncio.run(main())
