"""Opens many connections and closes none: hold.py HOST PORT COUNT WORDS. Tells how many are open, and goes when its stdin ends."""
import resource
import selectors
import socket
import sys
import time

host, port, count, words = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode().decode("unicode_escape").encode()
address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
selector = selectors.DefaultSelector()
connecting, held, failed = 0, [], 0
until = time.monotonic() + 200
opened = 0
while (opened < count or connecting) and time.monotonic() < until:
    while opened < count and connecting < 500:
        opened += 1
        peer = socket.socket()
        peer.setblocking(False)
        if peer.connect_ex(address) not in (0, 115):
            failed += 1
            continue
        connecting += 1
        selector.register(peer, selectors.EVENT_WRITE)
    for key, _ in selector.select(1):
        peer = key.fileobj
        selector.unregister(peer)
        connecting -= 1
        if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            failed += 1
            continue
        held.append(peer)
        if words:
            peer.send(words.replace(b"NUMBER", str(len(held)).encode()))
print("open", len(held), "failed", failed + connecting, flush=True)
sys.stdin.read()
