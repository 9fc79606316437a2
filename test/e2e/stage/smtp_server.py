"""An SMTP server with STARTTLS on loopback: python3 smtp_server.py PORT CERTIFICATE KEY"""
import asyncio
import ssl
import sys

from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP

port, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


async def main():
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Sink(), tls_context=context), '127.0.0.1', port)
    await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
