"""Servers for connections from the host: each speaks in its own way. Tells on stdout when all of them listen."""
import hashlib
import os
import socket
import struct
import sys
import threading


def banner(peer):
    """Speaks first, as SSH does, and then says everything back."""
    peer.sendall(b"SSH-2.0-greeting\r\n")
    while data := peer.recv(65536):
        peer.sendall(data)


def digest(peer):
    """Answers when the other side has said all."""
    seen = hashlib.sha256()
    size = 0
    while data := peer.recv(65536):
        seen.update(data)
        size += len(data)
    peer.sendall(f"{size} {seen.hexdigest()}\n".encode())


def flood(peer):
    """Sends 32 MiB and its end; then counts what comes until the other side ends too."""
    block = bytes(range(256)) * 256
    for _ in range(512):
        peer.sendall(block)
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(65536):
        pass


def reset(peer):
    """Breaks off in the middle."""
    peer.recv(1)
    peer.sendall(b"half of it")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def leave(peer):
    """Says that it was this guest, and ends it."""
    peer.sendall(b"bye\n")
    peer.close()
    os._exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)


def serve(port, answer):
    listener = socket.create_server(("", port), backlog=4096)

    def accept():
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=talk, args=(peer,), daemon=True).start()

    def talk(peer):
        try:
            with peer:
                answer(peer)
        except OSError:
            pass

    thread = threading.Thread(target=accept)
    thread.start()


for port, answer in {22: banner, 80: digest, 81: flood, 82: reset, 83: leave}.items():
    serve(port, answer)
print("listening", flush=True)
