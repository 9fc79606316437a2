"""mitmproxy addon: one JSON line for each flow, with headers and bodies, gathered and written like any log."""
import base64
import json
import os


def text_of(body):
    if body is None:
        return None, None
    try:
        return body.decode("utf-8"), "utf8"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode("ascii"), "base64"


def pairs(headers):
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers.fields]


class JsonLines:
    def __init__(self):
        self.file = open(os.environ["BENCH_RECORD"], "a", buffering=1024 * 1024, encoding="utf-8")

    def response(self, flow):
        request, response = flow.request, flow.response
        request_body, request_encoding = text_of(request.raw_content)
        response_body, response_encoding = text_of(response.raw_content)
        line = {
            "timestamp": request.timestamp_start,
            "request": {
                "method": request.method,
                "url": request.url,
                "http_version": request.http_version,
                "headers": pairs(request.headers),
                "body": request_body,
                "body_encoding": request_encoding,
            },
            "response": {
                "status": response.status_code,
                "http_version": response.http_version,
                "headers": pairs(response.headers),
                "body": response_body,
                "body_encoding": response_encoding,
            },
            "latency_ms": (response.timestamp_end - request.timestamp_start) * 1000,
            "tls_sni": flow.client_conn.sni,
        }
        self.file.write(json.dumps(line) + "\n")

    def done(self):
        self.file.close()


addons = [JsonLines()]
