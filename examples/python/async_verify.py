"""Many codes at once under asyncio, with a sender that is a coroutine: ``python async_verify.py``"""

import asyncio
from typing import Dict

import libotp

received: Dict[str, str] = {}


async def send(message: libotp.Message) -> None:
    await asyncio.sleep(0.01)  # stands for a request to a gateway
    received[message.token] = message.code


async def log_in(otp: libotp.AsyncService, number: int) -> bool:
    token = f"session {number}"
    await otp.create(token, phone_number=f"39333{number:07}")
    # Of two answers at the same moment one alone is True.
    answers = await asyncio.gather(*(otp.verify(token, received[token]) for _ in range(2)))
    return sorted(answers) == [False, True]


async def main() -> None:
    async with await libotp.AsyncService.open({"repository": "memory:"}, sender=send) as otp:
        results = await asyncio.gather(*(log_in(otp, number) for number in range(100)))
    print(f"{results.count(True)} of {len(results)} logged in once")


if __name__ == "__main__":
    asyncio.run(main())
