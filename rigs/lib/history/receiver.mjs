// The receivers of histories, in a thread of their own, so that what they see is not late because somebody else works. A receiver
// notes who brought which message when, and how it answered. node:http, apart from the product.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'

import { now } from '../clock.mjs'
import { Random } from '../random.mjs'
import { acknowledgement, look } from '../receiver.mjs'

const TICK_MS = 4
/** When this thread looked for news lately, the oldest first. */
const looked = [now()]
const LATELY_US = 2_000_000
/**
 * What the sender has handed over is seen so much later at most: rounds of the event loop (accept, read), each as long as the longest one
 * lately, and as many for the kernel, which passes on what it has when a busy machine lets it.
 */
const ROUNDS = 6
const LAG_US_MIN = 50_000
let isLooking = false

/** The earliest moment at which what is seen now can have been handed over. */
function handedOver() {
  let longest = 0
  for (let n = 1; n <= looked.length; n++) longest = Math.max(longest, (looked[n] ?? now()) - looked[n - 1])
  return now() - Math.max(LAG_US_MIN, ROUNDS * longest)
}

/** A timer may fire twice without a look at the sockets in between; what is immediate comes behind one. */
function tick() {
  if (isLooking) return
  isLooking = true
  setImmediate(() => {
    isLooking = false
    looked.push(now())
    while (looked[1] < now() - LATELY_US) looked.shift()
  })
}

/** What an answer is to the sender: how it looks. Other ways are `silence`, `late`, `cut` and `early` (cut while the message comes). */
const ANSWERS = {
  acknowledged: (control) => ({ status: 200, body: acknowledgement(control) }),
  sent: () => ({ status: 202, body: '' }),
  rejected: (control) => ({ status: 200, body: `${acknowledgement(control, 'AE')}ERR||PID^1^3|103^^HL70357|E\r` }),
  retry: () => ({ status: 500, body: '' }),
  later: (control) => ({ status: 200, body: acknowledgement(control, 'AR') }),
  doubt: () => ({ status: 200, body: '<!DOCTYPE html><title>Sign in</title>' }),
  spared: () => ({ status: 503, body: '' }),
}
/** What they stand for, where that is not their name. */
const MEANS = { later: 'retry' }
const LATE_MS = [140, 330]
const SLOW_MS = [1, 25]

/** One receiver; `shares` says how often it answers in which way. */
class Receiver {
  arrivals = []
  isFair = false
  #timers = new Set()

  constructor({ seed, shares }) {
    Object.assign(this, { random: new Random(seed), shares })
    this.server = createServer((request, response) => this.#take(request, response))
    this.server.keepAliveTimeout = 60_000
  }

  async listen() {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return this.server.address().port
  }

  async stop() {
    for (const timer of this.#timers) clearTimeout(timer)
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
    return this.arrivals
  }

  #choose() {
    if (this.isFair) return { way: 'acknowledged', afterMs: 0 }
    const afterMs = this.random.chance(this.shares.slow) ? this.random.between(...SLOW_MS) : 0
    let dice = this.random.unit()
    for (const [way, share] of Object.entries(this.shares.ways)) if ((dice -= share) < 0) return way === 'late' ? { way: 'acknowledged', afterMs: this.random.between(...LATE_MS) } : { way, afterMs }
    return { way: 'acknowledged', afterMs }
  }

  #note(request, more) {
    const arrival = { kind: 'arrival', destination: request.url.slice(1), sender: request.headers['x-sender'] ?? null, whole: true, since: handedOver(), at: now(), means: null, answered: null, cut: null, ...more }
    this.arrivals.push(arrival)
    return arrival
  }

  #take(request, response) {
    const chosen = this.#choose()
    request.on('error', () => undefined)
    if (chosen.way === 'early') {
      this.#note(request, { control: request.headers['x-message-control-id'], whole: false, digest: null, cut: now() })
      return request.socket.destroy()
    }
    const pieces = []
    request.on('data', (piece) => pieces.push(piece))
    request.on('end', () => {
      const { control, digest } = look(Buffer.concat(pieces))
      const arrival = this.#note(request, { control, digest })
      if (chosen.way === 'silence') return
      if (chosen.afterMs === 0) return this.#answer(chosen.way, arrival, request, response)
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        this.#answer(chosen.way, arrival, request, response)
      }, chosen.afterMs)
      this.#timers.add(timer)
    })
  }

  #answer(way, arrival, request, response) {
    if (way === 'cut') {
      arrival.cut = now()
      return request.socket.destroy()
    }
    const { status, body } = ANSWERS[way](arrival.control)
    // The sender may know of it as soon as it is written.
    Object.assign(arrival, { means: MEANS[way] ?? way, answered: now() })
    response.writeHead(status, { 'content-type': way === 'doubt' ? 'text/html' : 'application/hl7-v2' })
    response.end(body)
  }
}

/** The thread, as others see it. */
export class Receivers {
  #thread = new Worker(fileURLToPath(import.meta.url))
  #last = 0
  #asked = new Map()

  constructor() {
    this.#thread.on('message', ([n, value]) => {
      this.#asked.get(n)(value)
      this.#asked.delete(n)
    })
  }

  #ask(...words) {
    return new Promise((resolve) => {
      this.#asked.set(++this.#last, resolve)
      this.#thread.postMessage([this.#last, ...words])
    })
  }

  /** Starts one; `fair()` lets it accept everything from now on, `stop()` resolves with its arrivals. */
  async start(weather) {
    const port = await this.#ask('start', weather)
    return { url: (destination) => `http://127.0.0.1:${port}/${destination}`, fair: () => this.#ask('fair', port), stop: () => this.#ask('stop', port) }
  }

  end() {
    return this.#thread.terminate()
  }
}

if (!isMainThread) {
  setInterval(tick, TICK_MS)
  const receivers = new Map()
  const tasks = {
    async start(weather) {
      const receiver = new Receiver(weather)
      const port = await receiver.listen()
      receivers.set(port, receiver)
      return port
    },
    fair: (port) => void (receivers.get(port).isFair = true),
    async stop(port) {
      const receiver = receivers.get(port)
      receivers.delete(port)
      return receiver.stop()
    },
  }
  parentPort.on('message', async ([n, task, given]) => parentPort.postMessage([n, await tasks[task](given)]))
}
