"""Asks for so many names of one domain over UDP, as fast as it can; prints how many questions were sent, and answered within two seconds."""
import random
import socket
import struct
import sys
import time

COUNT, DOMAIN, QTYPE = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setblocking(False)
domain = b"".join(bytes([len(label)]) + label.encode() for label in DOMAIN.split(".")) + b"\0"
sent = answered = 0


def receive():
    global answered
    try:
        while True:
            sock.recv(4096)
            answered += 1
    except BlockingIOError:
        pass


while sent < COUNT:
    label = ("%x-%x" % (sent, random.getrandbits(60))).encode()
    question = struct.pack(">HHHHHH", sent & 0xFFFF, 0x100, 1, 0, 0, 0) + bytes([len(label)]) + label + domain + struct.pack(">HH", QTYPE, 1)
    try:
        sock.sendto(question, (server, 53))
        sent += 1
    except BlockingIOError:
        time.sleep(0.001)
    receive()
for _ in range(200):
    time.sleep(0.01)
    receive()
print("sent", sent, "answered", answered)
