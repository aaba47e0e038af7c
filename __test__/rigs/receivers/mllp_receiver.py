"""An MLLP receiver made with the library hl7 (PyPI), which parses every message and makes every acknowledgement.

It answers AA. A control id that begins with one of these words gets something else:

  AE      AE, always
  AR      AR the first time
  CRLF    AA with segments that end in CRLF
  DROP    the connection is closed without an answer, the first time
  HALF    the connection is closed in the middle of the answer, the first time

A message over the limit is not read to its end: the connection is closed in the middle of it.

Prints one line of JSON when it listens, and one for each message: its control id, its size and its digest.
"""

import asyncio
import hashlib
import json
import ssl
import sys

import hl7
import hl7.mllp

LIMIT_BYTES = 4 << 20
seen = set()


def say(**what):
    print(json.dumps(what), flush=True)


def first_time(control_id, word):
    if not control_id.startswith(word) or control_id in seen:
        return False
    seen.add(control_id)
    return True


async def converse(reader, writer):
    try:
        while True:
            block = await reader.readblock()
            message = hl7.parse(block.decode("utf-8"))
            control_id = str(message.segment("MSH")(10))
            say(controlId=control_id, bytes=len(block), sha256=hashlib.sha256(block).hexdigest())
            if first_time(control_id, "DROP"):
                break
            code = "AE" if control_id.startswith("AE") else "AR" if first_time(control_id, "AR") else "AA"
            answer = str(message.create_ack(code)).encode("utf-8")
            if control_id.startswith("CRLF"):
                answer = answer.replace(b"\r", b"\r\n")
            if first_time(control_id, "HALF"):
                writer.write(b"\x0b" + answer[: len(answer) // 2])
                await writer.drain()
                break
            writer.writeblock(answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the sender has gone
    except ValueError:
        say(dropped=True)  # over the limit
    finally:
        writer.close()


async def main(cert=None, key=None):
    context = None
    if cert is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
    server = await hl7.mllp.start_hl7_server(converse, "127.0.0.1", 0, limit=LIMIT_BYTES, encoding="utf-8", ssl=context)
    say(port=server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
