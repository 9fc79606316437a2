# Python's websockets in the guest: chat.py URL. Says three things, hears the echo of each, and closes.
import asyncio
import sys

import websockets


async def chat():
    async with websockets.connect(sys.argv[1], max_size=None) as socket:
        for said in ["hello", bytes([0, 255, 1]), "x" * 300_000]:
            await socket.send(said)
            heard = await socket.recv()
            print("same" if heard == said else "different")
        await socket.close(4000, "enough")
        print(socket.close_code, socket.extensions)


asyncio.run(chat())
