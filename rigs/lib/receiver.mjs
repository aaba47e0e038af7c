// A receiver that notes what it gets, and nothing else: node:http, apart from the product.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'

import { now } from './clock.mjs'

/** What a message is recognised by, and a digest of its bytes. */
export function look(bytes) {
  const text = bytes.toString('latin1')
  return { control: /^MSH(?:\|[^|\r]*){8}\|([^|\r]*)/.exec(text)?.[1], lane: /\rPID\|[^|]*\|[^|]*\|([^|^]*)/.exec(text)?.[1] ?? null, digest: digestOf(bytes) }
}

export const digestOf = (bytes) => createHash('sha256').update(bytes).digest('base64')

export function acknowledgement(control, code = 'AA') {
  return `MSH|^~\\&|RIG|RIG|TEST|TEST|20300102030405||ACK|A${control}|T|2.5.1\rMSA|${code}|${control}\r`
}

/**
 * Listens on a free port of loopback. `answer(arrival)` gives, or resolves with, `{ status, body }`, or null to close the
 * connection without a word; by default AA after `latency()` milliseconds.
 */
export async function startReceiver({ latency = () => 0, answer } = {}) {
  /** In the order in which they were complete: `{ control, lane, digest, at, ended }`; `ended` is when the exchange was over. */
  const arrivals = []
  const server = createServer((request, response) => {
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', async () => {
      const arrival = { ...look(Buffer.concat(pieces)), at: now(), ended: null }
      arrivals.push(arrival)
      response.on('close', () => (arrival.ended ??= now()))
      const wait = latency(arrival)
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
      const given = answer === undefined ? { status: 200, body: acknowledgement(arrival.control) } : await answer(arrival)
      if (given === null) return request.socket.destroy()
      response.writeHead(given.status, { 'content-type': 'application/hl7-v2', ...given.headers })
      // The sender may know of the answer as soon as it is written, so that is when the exchange is over.
      arrival.ended ??= now()
      response.end(given.body)
    })
    request.on('error', () => undefined)
  })
  server.keepAliveTimeout = 30_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    arrivals,
    url: `http://127.0.0.1:${server.address().port}/`,
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
