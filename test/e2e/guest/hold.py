"""Opens many connections and closes none: hold.py HOST PORT COUNT WORDS. Tells how many are open, and goes when its stdin ends."""
import os
import resource
import selectors
import signal
import socket
import sys
import time

# A process may have a limit of 4096 descriptors.
SHARE = 2500
host, port, count, words = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode().decode("unicode_escape").encode()
address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]


def hold(first, mine):
    selector = selectors.DefaultSelector()
    connecting, held, failed, opened = 0, [], 0, 0
    until = time.monotonic() + 200
    while (opened < mine or connecting) and time.monotonic() < until:
        while opened < mine and connecting < 200:
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
            try:
                if words:
                    peer.send(words.replace(b"NUMBER", str(first + len(held) + 1).encode()))
            except ConnectionResetError:
                # It was one too many, and was told so as soon as it stood.
                failed += 1
                continue
            held.append(peer)
    return held, failed + connecting + mine - opened


most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
workers, told = [], []
for first in range(0, count, SHARE):
    ours, theirs = os.pipe()
    worker = os.fork()
    if worker == 0:
        held, failed = hold(first, min(SHARE, count - first))
        os.write(theirs, f"{len(held)} {failed}".encode())
        signal.pause()
    os.close(theirs)
    workers.append(worker)
    told.append(ours)
sums = [sum(numbers) for numbers in zip(*(map(int, os.read(pipe, 100).split()) for pipe in told))]
print("open", sums[0], "failed", sums[1], flush=True)
sys.stdin.read()
for worker in workers:
    os.kill(worker, signal.SIGKILL)
