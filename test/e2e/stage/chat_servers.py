"""Servers of WebSockets that echo: `websockets CERT KEY` over HTTP/1.1, `hypercorn CERT KEY` over HTTP/2 too. Prints its port."""
import asyncio
import socket
import ssl
import sys

PAGE = b"""<!doctype html><title>chat</title><p id="told">not yet</p><script>
const told = document.getElementById('told');
const heard = [];
const socket = new WebSocket('wss://' + location.host + '/chat');
socket.onopen = () => { socket.send('hello'); socket.send('x'.repeat(100000)); };
socket.onmessage = ({ data }) => { heard.push(data.length > 20 ? data.length + ' characters' : data); };
socket.onerror = () => { told.textContent = 'the WebSocket failed'; };
socket.onclose = ({ code }) => { told.textContent += `: ${heard.join(', ')}, closed ${code}`; fetch('/over'); };
</script><img src="/held">"""

over = asyncio.Event()


async def app(scope, receive, send):
    """ASGI: a page whose loading ends when its WebSocket has."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        for _ in range(2):
            event = await receive()
            await send({"type": "websocket.send", "text": event["text"], "bytes": None})
        # Where the client closes first, hypercorn resets the stream under its own answer.
        await send({"type": "websocket.close", "code": 4000})
        return
    if scope["type"] != "http":
        return
    if scope["path"] == "/over":
        over.set()
    if scope["path"] == "/held":
        await over.wait()
    body = PAGE if scope["path"] == "/page" else b""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
    await send({"type": "http.response.body", "body": body})


async def serve_hypercorn(cert, key, listener):
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.certfile, config.keyfile = cert, key
    config.alpn_protocols = ["h2", "http/1.1"]
    config.accesslog = None
    print(listener.getsockname()[1], flush=True)
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)


async def serve_websockets(cert, key, listener):
    import websockets

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    async with websockets.serve(echo, sock=listener, ssl=context):
        print(listener.getsockname()[1], flush=True)
        await asyncio.Event().wait()


which, cert, key = sys.argv[1:]
bound = socket.socket()
bound.bind(("127.0.0.1", 0))
bound.listen(100)
asyncio.run((serve_hypercorn if which == "hypercorn" else serve_websockets)(cert, key, bound))
