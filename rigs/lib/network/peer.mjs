// A receiver of HTTP, HTTPS, MLLP or MLLPS that does to the outbox what a script says, and notes what it got and what it said.
// node:net and node:tls, apart from the product.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'

import { now } from '../clock.mjs'
import { look } from '../receiver.mjs'
import { ANSWERS } from './answers.mjs'
import { Wire } from './wire.mjs'

const END = Buffer.from([0x1c, 0x0d])
/** Until this byte of the server's handshake (one that goes on with an earlier session is short) has left, no client speaks. */
const HANDSHAKE_BYTES_MIN = 120

/**
 * Listens on a free port of loopback. `next()` gives the fault of the next exchange, or null for fair weather:
 * `{ answer }` a name of ANSWERS, `{ cut }` and `{ isSlowReader }` as Wire takes them, `{ isRogue }` the certificate that nobody
 * vouches for, `{ isGone }` the connection is reset and for a moment nobody listens. `tamper` may change what is sent, without the
 * peer's knowing, and `phantom` lets it acknowledge what it never got whole: both are faults to plant.
 */
export async function startPeer({ kind, next, random, papers, tamper, phantom = false }) {
  const isMllp = kind.startsWith('mllp')
  const isSecure = kind.endsWith('s')
  const contexts = isSecure ? { good: createSecureContext(papers.good), rogue: createSecureContext(papers.rogue) } : undefined
  const peer = { kind, exchanges: [], events: [], fired: [], rogueBytes: 0 }
  const wires = new Set()

  const begin = (wire) => {
    let fault = next(wire)
    // What needs a new connection ends the present one, and stays for the next.
    if (fault !== null && !wire.isFresh && (fault.isRogue || fault.isGone)) {
      next.again(fault)
      fault = { name: 'ended', cut: { way: 'up', at: 0, act: 'rst' } }
    }
    if (phantom && fault?.cut?.way === 'up') fault = { ...fault, cut: { ...fault.cut, act: 'deaf' }, isPhantom: true }
    if (fault !== null) peer.fired.push({ fault, wire })
    wire.start(fault)
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const wire = new Wire(socket, begin)
    wires.add(wire)
    begin(wire)
    wire.on('close', () => {
      wires.delete(wire)
      wire.wasNoDoubt = isNoDoubt(wire, isSecure)
    })
    if (wire.fault?.isGone) return leave(wire)
    const stream = isSecure ? secured(wire, contexts[wire.fault?.isRogue ? 'rogue' : 'good']) : wire
    new Conversation({ peer, wire, stream, isMllp, random, tamper })
  })
  const leave = (wire) => {
    wire.act('rst')
    server.close()
    setTimeout(() => !peer.hasStopped && server.listen(peer.port, '127.0.0.1'), random.between(5, 80))
  }
  server.on('error', (error) => (peer.error = error))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  peer.port = server.address().port
  peer.url = `${kind}://127.0.0.1:${peer.port}${isMllp ? '' : '/'}`
  peer.stop = () => {
    peer.hasStopped = true
    for (const wire of wires) wire.destroy()
    server.close()
  }
  return peer
}

function secured(wire, secureContext) {
  const stream = new TLSSocket(wire, { isServer: true, secureContext })
  stream.on('error', () => wire.destroy())
  wire.on('close', () => stream.destroy())
  return stream
}

/** Whether the connection ended before the outbox can have sent a byte of a message over it. */
function isNoDoubt(wire, isSecure) {
  if (wire.fault?.isRogue) return true
  return isSecure && wire.isFresh && wire.hasCut && (wire.passed.down < HANDSHAKE_BYTES_MIN)
}

/** One connection, from request to answer to request. */
class Conversation {
  #got = Buffer.alloc(0)
  #pieces = []
  #size = 0
  #exchange = null
  #last = null

  constructor(parts) {
    Object.assign(this, parts)
    this.stream.on('data', (chunk) => this.#read(chunk))
    this.stream.on('error', () => undefined)
    // A peer that is told goodbye says it too.
    this.stream.on('end', () => this.stream.end())
    this.wire.on('close', () => this.#exchange !== null && (this.#exchange.ended ??= now()))
  }

  #read(chunk) {
    if (this.wire.fault?.isRogue) this.peer.rogueBytes += chunk.length
    this.#pieces.push(chunk)
    this.#size += chunk.length
    if (this.#exchange === null) this.#recognise()
    const body = this.#whole(chunk)
    if (body !== null) void this.#answer(body)
  }

  #recognise() {
    this.#join()
    const from = this.#got.indexOf('MSH|')
    const control = from === -1 ? undefined : look(this.#got.subarray(from, from + 2_000)).control
    // Cut in the middle of the control id it would be somebody else's.
    if (control === undefined || !this.#got.subarray(from).toString('latin1', 0, 2_000).includes(`|${control}|`)) return
    this.#exchange = { control, wire: this.wire, fault: this.wire.fault, whole: null, means: null, accepted: null, ended: null, isDisturbed: this.wire.isDisturbed }
    this.peer.exchanges.push(this.#exchange)
    if (this.wire.fault?.isPhantom) this.stream.end(ANSWERS.good({ isMllp: this.isMllp, control }).pieces[0])
  }

  #join() {
    if (this.#pieces.length > 0) this.#got = Buffer.concat([this.#got, ...this.#pieces.splice(0)])
  }

  /** The body, when the request is complete. */
  #whole(chunk) {
    if (this.isMllp) {
      if (!chunk.includes(0x0d)) return null
      this.#join()
      const end = this.#got.indexOf(END)
      return end === -1 ? null : this.#got.subarray(1, end)
    }
    if (this.#size < 200) return null
    if (this.head === undefined) {
      this.#join()
      const end = this.#got.indexOf('\r\n\r\n')
      if (end === -1) return null
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#got.toString('latin1', 0, end))?.[1] ?? 0)
      this.head = { end: end + 4, length }
    }
    if (this.#size < this.head.end + this.head.length) return null
    this.#join()
    return this.#got.subarray(this.head.end, this.head.end + this.head.length)
  }

  async #answer(body) {
    const { peer, wire, stream, isMllp, random } = this
    const exchange = this.#exchange
    this.#exchange = null
    this.#pieces = []
    this.#got = Buffer.alloc(0)
    this.#size = 0
    this.head = undefined
    Object.assign(exchange, look(body), { whole: now() })
    // Of another message: the one before may be this one, sent again.
    const other = this.#last === exchange.control ? null : this.#last
    this.#last = exchange.control
    const cut = wire.fault?.cut
    const downBefore = wire.passed.down
    const answer = ANSWERS[wire.fault?.answer ?? 'good']({ isMllp, control: exchange.control, other, random })
    exchange.means = answer.means
    // What happens to this exchange from now on may repeat it.
    if (wire.fault !== null || wire.isDisturbed) peer.events.push(now())
    if (answer.disturbs) wire.isDisturbed = true
    const names = answer.isUnnamed ? 'MSA|AA|' : `MSA|AA|${exchange.control}`
    let said = 0
    for (const piece of answer.pieces) {
      if (typeof piece === 'number') {
        await new Promise((resolve) => setTimeout(resolve, piece))
        continue
      }
      if (stream.destroyed || wire.hasCut) break
      const bytes = this.tamper?.(exchange, piece) ?? piece
      exchange.text = (exchange.text ?? '') + (said < 4_000 ? piece.toString('latin1', 0, 4_000) : '')
      said += piece.length
      const at = exchange.text.indexOf(names)
      // Cut before that it was never said.
      const isSaid = at !== -1 && (cut?.way !== 'down' || cut.at >= downBefore + at + names.length)
      if (isSaid) exchange.accepted ??= now()
      if (exchange.accepted !== null || answer.means === 'refuses') exchange.ended ??= now()
      await new Promise((resolve) => stream.write(bytes, resolve))
    }
    exchange.text = undefined
    if (answer.endless) await this.#goOn(answer.pieces.at(-1))
    if (answer.end !== undefined && !wire.destroyed) wire.act(answer.end)
    exchange.isDisturbed ||= wire.isDisturbed && answer.means === 'either'
    if (wire.fault === null && !wire.isDisturbed && body.length < 2_000) peer.onFair?.(wire)
    if (!wire.hasCut && !wire.destroyed) wire.finish()
    if (answer.after !== undefined) setTimeout(() => this.#unasked(answer.after.bytes), answer.after.ms)
  }

  /** Until the outbox has had enough. */
  async #goOn(piece) {
    while (this.stream.writable && !this.wire.destroyed && !this.wire.hasCut) await new Promise((resolve) => this.stream.write(piece, () => setImmediate(resolve)))
  }

  #unasked(bytes) {
    this.wire.isDisturbed = true
    if (this.#exchange !== null) this.#exchange.isDisturbed = true
    // A fault of the present exchange, if there is one, stays: this comes beside it.
    if (!this.stream.destroyed && !this.wire.hasCut) this.stream.write(bytes)
    this.peer.events.push(now())
  }
}
