// The wire between the outbox and the peer: every byte passes here, in both directions, and may be cut anywhere.
import { Duplex } from 'node:stream'

/**
 * A socket of the outbox as the peer sees it. `fault` is what happens to the exchange at hand (undefined between two); of it this
 * knows `cut: { way: 'up' | 'down', at, act }`, counted in bytes since the exchange began (on a new connection: since it was
 * accepted, so that a TLS handshake is part of the first), and `isSlowReader`, which hands the request on byte by byte.
 */
export class Wire extends Duplex {
  /** Bytes that have passed in each direction since the exchange began. */
  passed = { up: 0, down: 0 }
  /** What was cut: the way of it, once it has happened. */
  hasCut = false
  isDeaf = false
  isFresh = true
  /** Something went over it that was no answer to anything, so the next exchange may suffer. */
  isDisturbed = false
  #socket
  #begin
  #slow = []

  /** `begin(wire)` starts the exchange whose first byte has come. */
  constructor(socket, begin) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    this.#begin = begin
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#up(chunk))
    socket.on('end', () => this.push(null))
    socket.on('error', () => undefined)
    socket.on('close', () => this.destroy())
    this.on('error', () => undefined)
  }

  /** An exchange begins, with what is to happen to it; null for nothing. */
  start(fault) {
    this.fault = fault
    this.#look()
  }

  /** The exchange is over; what comes next belongs to another one. */
  finish() {
    this.fault = undefined
    this.isFresh = false
    this.passed = { up: 0, down: 0 }
  }

  /**
   * From now on nothing passes: `rst` closes without a goodbye, `fin` with one (and goes on reading), `hole` reads no more,
   * `stall` swallows what comes, and `deaf` does so too but lets answers out.
   */
  act(act) {
    this.isDeaf = true
    this.hasCut = act !== 'deaf'
    if (act === 'rst') {
      // Reset while it says goodbye, a handle of Node.js is never closed, and the process never ends.
      if (this.#socket.writableEnded) this.#socket.destroy()
      else this.#socket.resetAndDestroy()
      this.destroy()
    }
    if (act === 'fin') this.#socket.end()
    if (act === 'hole') this.#socket.pause()
  }

  #up(chunk) {
    if (this.fault === undefined) this.#begin(this)
    if (this.isDeaf) return
    const allowed = this.#look('up', chunk)
    this.passed.up += allowed.length
    if (!this.fault?.isSlowReader) this.push(allowed)
    else if (this.#slow.push(...allowed) === allowed.length) this.#trickle()
    this.#look()
  }

  #trickle() {
    setImmediate(() => {
      if (this.destroyed || this.#slow.length === 0) return
      this.push(Buffer.from([this.#slow.shift()]))
      if (this.#slow.length > 0) this.#trickle()
    })
  }

  /** As much of a chunk as may pass; without one, cuts what has come to its place. */
  #look(way, chunk) {
    const cut = this.fault?.cut
    if (way === undefined) {
      if (cut !== undefined && !this.isDeaf && this.passed[cut.way] >= cut.at) this.act(cut.act)
      return chunk
    }
    return cut?.way === way ? chunk.subarray(0, Math.max(0, cut.at - this.passed[way])) : chunk
  }

  _read() {}

  _write(chunk, _, done) {
    if (this.hasCut || this.#socket.destroyed) return done()
    const allowed = this.#look('down', chunk)
    this.passed.down += allowed.length
    const tell = () => done()
    if (allowed.length > 0) this.#socket.write(allowed, tell)
    this.#look()
    if (allowed.length === 0) done()
  }

  _final(done) {
    if (!this.#socket.destroyed && !this.hasCut) this.#socket.end()
    done()
  }

  _destroy(error, done) {
    this.#slow = []
    this.#socket.destroy()
    done(error)
  }
}
