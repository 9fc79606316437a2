"""Standard input to a TCP connection, its end passed on, and what comes back to standard output: stream.py HOST PORT"""
import socket
import sys
import threading

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))


def send():
    while chunk := sys.stdin.buffer.read1(262144):
        connection.sendall(chunk)
    connection.shutdown(socket.SHUT_WR)


sender = threading.Thread(target=send)
sender.start()
while chunk := connection.recv(262144):
    sys.stdout.buffer.write(chunk)
sender.join()
