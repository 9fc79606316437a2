# grpcio, as a program of the guest: python3 grpc_calls.py HOST KIND…; prints what came, a line for each kind of call.
import queue
import sys

import grpc

host, kinds = sys.argv[1], sys.argv[2:]
channel = grpc.secure_channel(host, grpc.ssl_channel_credentials())


def single(call):
    try:
        return call().decode()
    except grpc.RpcError as error:
        return f"{error.code().name} {error.details()}"


def streamed(call, on_data=lambda count: None):
    came = []
    try:
        for message in call:
            came.append(message.decode())
            on_data(len(came))
    except grpc.RpcError:
        pass
    details = call.details()
    return ",".join(came) + " " + call.code().name + (f" {details}" if details and details != "OK" else "")


def bidirectional():
    messages = queue.Queue()
    messages.put(b"0")

    def answered(count):
        messages.put(str(count).encode() if count < 10 else None)

    return streamed(channel.stream_stream("/demo.Echo/Bidirectional")(iter(messages.get, None), timeout=20), answered)


calls = {
    "unary": lambda: single(lambda: channel.unary_unary("/demo.Echo/Unary")(b"hello", timeout=20)),
    "server": lambda: streamed(channel.unary_stream("/demo.Echo/Server")(b"3", timeout=20)),
    "client": lambda: single(lambda: channel.stream_unary("/demo.Echo/Client")(iter([b"a", b"b", b"c"]), timeout=20)),
    "bidirectional": bidirectional,
    "early": lambda: streamed(channel.stream_stream("/demo.Echo/Early")(iter([b"x"]), timeout=20)),
    "fails": lambda: single(lambda: channel.unary_unary("/demo.Echo/Fails")(b"x", timeout=20)),
    "slow": lambda: streamed(channel.unary_stream("/demo.Echo/Slow")(b"x", timeout=0.7)),
}
for kind in kinds:
    print(f"{kind}: {calls[kind]()}", flush=True)
