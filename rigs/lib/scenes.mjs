// What stands around the application when it meets a fault: a receiver, and what a fault needs to be met.
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer as createTcp } from 'node:net'

import { now } from './clock.mjs'
import { acknowledgement, look, startReceiver } from './receiver.mjs'

const BEGIN = 0x0b
const END = 0x1c

/** Attempts that fail at the beginning of an outage: enough of them for the destination to rest. */
const FAILED = 8

/** `{ destination, arrivals, holdBack, stop }`; `destination` is its configuration, `holdBack(true)` lets no answer out. */
export function startScene(kind) {
  return { plain, takeover: plain, outage: () => plain({ failed: FAILED }), token, mllp }[kind]()
}

async function plain({ failed = 0 } = {}) {
  let held = Promise.resolve()
  let release = () => undefined
  const receiver = await startReceiver({
    answer: async (arrival) => {
      if (failed-- > 0) {
        arrival.isRefused = true
        return { status: 500, body: '' }
      }
      await held
      return { status: 200, body: acknowledgement(arrival.control) }
    },
  })
  return {
    destination: { url: receiver.url },
    arrivals: receiver.arrivals,
    holdBack(isHeld) {
      if (isHeld) held = new Promise((resolve) => (release = resolve))
      else release()
    },
    stop() {
      release()
      return receiver.stop()
    },
  }
}

/** A receiver that wants a token, and the server that gives it. */
async function token() {
  const scene = await plain()
  const server = createHttp((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ access_token: 'invented', token_type: 'Bearer', expires_in: 3_600 }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const tokenUrl = `http://127.0.0.1:${server.address().port}/token`
  return {
    ...scene,
    destination: { ...scene.destination, auth: { oauth2: { tokenUrl, clientId: 'rig', clientSecret: 'invented' } } },
    async stop() {
      server.closeAllConnections()
      server.close()
      await scene.stop()
    },
  }
}

async function mllp() {
  const arrivals = []
  const sockets = new Set()
  const server = createTcp((socket) => {
    sockets.add(socket)
    let rest = Buffer.alloc(0)
    let open = null
    socket.on('error', () => undefined)
    socket.on('close', () => {
      sockets.delete(socket)
      if (open !== null) open.ended ??= now()
    })
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      for (let end = rest.indexOf(END); end !== -1; end = rest.indexOf(END)) {
        const bytes = rest.subarray(rest.indexOf(BEGIN) + 1, end)
        rest = rest.subarray(end + 2)
        open = { ...look(bytes), at: now(), ended: null }
        arrivals.push(open)
        open.ended = now()
        socket.write(Buffer.concat([Buffer.from([BEGIN]), Buffer.from(acknowledgement(open.control)), Buffer.from([END, 0x0d])]))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    destination: { url: `mllp://127.0.0.1:${server.address().port}` },
    arrivals,
    async stop() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
