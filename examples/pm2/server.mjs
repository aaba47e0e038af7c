// A small application: takes HL7 messages by POST, and ends as PM2 asks it to.
import { once } from 'node:events'
import { createServer } from 'node:http'

import { enqueueHl7, startOutbox, stopOnSignals } from 'hl7-outbox'

const BODY_BYTES_MAX = 16 * 1024 * 1024

const server = createServer(async (request, response) => {
  const answer = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  try {
    const pieces = []
    let bytes = 0
    for await (const piece of request) {
      bytes += piece.length
      if (bytes > BODY_BYTES_MAX) return answer(413, { code: 'TOO_LARGE' })
      pieces.push(piece)
    }
    const { id, status, duplicate } = await enqueueHl7(Buffer.concat(pieces))
    answer(201, { id, status, duplicate })
  } catch (error) {
    // Whoever called repeats the same bytes; enqueueing twice is enqueueing once.
    answer(error.code?.startsWith('ERR_HL7_') ? 400 : 503, { code: error.code ?? 'UNKNOWN' })
  }
})

// Armed before anything else, so that a process that is ended while it starts ends well too. Requests end first: none of them
// finds the outbox stopped.
stopOnSignals({
  async first() {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  },
})

await startOutbox() // HL7_OUTBOX_CONFIG, HL7_OUTBOX_PATH, HL7_OUTBOX_DISPATCH
server.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1')
await once(server, 'listening')
process.send?.('ready')
