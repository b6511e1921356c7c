"""The chain on the openai package alone, on its aiohttp transport: chat.completions.create in a bare loop."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.chain import MODEL, arguments, documents, steps, write_rows


async def main() -> None:
    """Work through the documents, as many at once as calls may be in flight."""
    options = arguments()
    source, rows, questions = documents(options.chains), [], steps()
    limits = httpx2.Limits(max_connections=options.concurrency, max_keepalive_connections=options.concurrency)
    async with AsyncOpenAI(
        base_url=options.url, api_key="none", http_client=DefaultAioHttpClient(limits=limits)
    ) as client:

        async def work() -> None:
            for row in source:
                for step in questions:
                    messages: Any = step.messages(row)
                    reply = await client.chat.completions.create(model=MODEL, messages=messages)
                    row[step.column] = reply.choices[0].message.content or ""
                rows.append(row)

        await asyncio.gather(*(work() for _ in range(options.concurrency)))
    write_rows(options.out, rows)


if __name__ == "__main__":
    asyncio.run(main())
