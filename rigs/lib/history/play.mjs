// One history: several processes make every kind of call on one file while they are stopped, killed, paused and started, and the
// receiver answers as it likes. Everything that was seen comes out as lines, and nothing is judged here.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { now } from '../clock.mjs'
import { Author } from './actions.mjs'
import { startWorker } from './processes.mjs'

const START_MS_MAX = 60_000
const DRAIN_MS_MAX = 60_000
/** The chaos of a history: what may happen to a process, the first the most often. */
const BLOWS = ['kill', 'kill', 'stop', 'pause']

/** Plays one and notes it in `lines`. `world` is `{ processes, receivers, door, env }`; `path` the file, in a folder of its own. */
export async function play({ random, path, world, lines, signal }) {
  mkdirSync(dirname(path), { recursive: true })
  const receiver = await world.receivers.start({ seed: random.between(1, 2 ** 31), shares: weatherOf(random) })
  const destinations = destinationsOf(random)
  const stage = new Stage({ world, lines, path, destinations: (sender) => configured(destinations, receiver, sender) })
  lines.push({ kind: 'setup', format: 1, wall: { ms: Date.now(), us: now() }, destinations })
  const author = new Author({ random: random.fork(), destinations })
  const count = random.between(2, 5)
  try {
    const worker = random.chance(0.2) ? await stage.openWorker() : null
    // Beside a worker the applications may store only.
    const dispatch = worker === null || random.chance(0.3)
    await Promise.all(Array.from({ length: count }, (_, n) => stage.open(n, { dispatch: dispatch && (n === 0 || random.chance(0.5)) })))
    const clients = Array.from({ length: count * 2 }, (_, n) => client({ stage, author, slot: n % count, random: random.fork(), steps: random.between(10, 18), signal }))
    const chaos = disturb({ stage, count, worker, random: random.fork(), until: Promise.all(clients), signal })
    await Promise.all([...clients, chaos])
    await receiver.fair()
    await drain({ stage, author, lines, signal })
  } finally {
    await stage.end()
    lines.push(...(await receiver.stop()))
  }
}

function destinationsOf(random) {
  const shared = () => ({ attemptsMax: random.between(2, 5), doubtsMax: random.between(3, 6), answerUs: random.between(150, 300) * 1_000, delayMs: random.between(2, 25), concurrency: random.between(1, 4) })
  return {
    a: { ...shared(), holdsLane: false, orderBy: 'patient' },
    b: { ...shared(), holdsLane: random.chance(0.7), orderBy: 'PV1-19' },
    c: { ...shared(), holdsLane: false, orderBy: null },
  }
}

function configured(destinations, receiver, sender) {
  return Object.fromEntries(Object.entries(destinations).map(([name, { attemptsMax, doubtsMax, answerUs, delayMs, concurrency, holdsLane, orderBy }]) => [name, {
    url: receiver.url(name),
    // Who sent a message is not to be guessed from times.
    headers: { 'X-Sender': sender, 'X-Message-Control-ID': '{MSH-10}' },
    concurrency,
    orderBy,
    afterFailure: holdsLane ? 'hold' : 'continue',
    rateLimit: null,
    timeouts: { firstByteMs: answerUs / 1_000, totalMs: 60_000 },
    retry: { scheduleMs: [delayMs], jitter: 0, maxAttempts: attemptsMax, maxIndeterminate: doubtsMax },
  }]))
}

function weatherOf(random) {
  const bad = random.pick([0, 0.1, 0.2, 0.35])
  return { slow: random.pick([0, 0.2, 0.6]), ways: { rejected: bad / 3, retry: bad / 4, later: bad / 5, doubt: bad / 4, silence: bad / 8, late: bad / 6, cut: bad / 4, early: bad / 8, spared: bad / 30, sent: 0.15 } }
}

/** The processes of one history, and what they are called while they live: a process that opens anew gets a new name. */
class Stage {
  /** By their places. */
  slots = []
  #generation = 0
  #n = 0
  #all = new Set()

  constructor({ world, lines, path, destinations }) {
    Object.assign(this, { world, lines, path, destinations })
  }

  /** Opens an outbox at a place: in the process given, or in another one. */
  async open(slot, { dispatch }, process_) {
    const one = process_ ?? (await this.world.processes.take())
    const actor = { name: `P${slot}G${this.#generation++}`, process: one, dispatch, isOpen: false, slot }
    this.#all.add(actor)
    this.slots[slot] = actor
    void one.ended.then(({ code }) => actor.isKilled || actor.isClosed || this.lines.push({ kind: 'trouble', words: `a process ended by itself with ${code}: ${one.err.slice(-500)}` }))
    const config = { path: this.path, destinations: this.destinations(actor.name), defaultDestination: 'a', dispatch, log: { level: 'error' } }
    const started = await within(one.call({}, 'startOutbox', [config]), START_MS_MAX, 'an outbox does not open')
    if (started.ended === null) return actor
    if (started.error !== undefined) throw new Error(`an outbox cannot be opened: ${started.error} ${started.words}`)
    actor.isOpen = true
    return actor
  }

  /** A worker that makes no calls. */
  async openWorker() {
    const name = `WG${this.#generation++}`
    const configuration = `${this.path}.worker.json`
    writeFileSync(configuration, JSON.stringify({ path: this.path, destinations: this.destinations(name), defaultDestination: 'a', log: { level: 'error' } }))
    const actor = { name, worker: await startWorker({ ...this.world, configuration }) }
    this.#all.add(actor)
    return actor
  }

  /** Makes a call and notes it. `more` goes into its line beside what was called and answered. */
  async call(actor, method, args, more = {}) {
    const line = { kind: 'call', process: actor.name, n: this.#n++, method, ...more }
    // Texts of messages are not kept: `messages` says what they were.
    if (more.messages === undefined) line.args = args
    else if (method === 'replaceMessage') line.args = [args[0]]
    this.lines.push(line)
    return actor.process.call(line, method, args)
  }

  async kill(actor) {
    const from = now()
    actor.isKilled = true
    actor.isOpen = false
    await (actor.worker ?? actor.process).kill()
    this.lines.push({ kind: 'end', process: actor.name, way: 'kill', from, to: now() })
  }

  /** Asks it to close; what it had in flight may be left open. */
  async close(actor, timeoutMs) {
    const from = now()
    actor.isOpen = false
    if (actor.worker !== undefined) {
      actor.isKilled = true
      await actor.worker.kill('SIGTERM')
      this.lines.push({ kind: 'end', process: actor.name, way: 'signal', from, to: now() })
      return
    }
    const { value } = await within(actor.process.call({}, 'stopOutbox', [{ timeoutMs }]), START_MS_MAX, 'an outbox does not close')
    actor.isClosed = true
    // Who says that it has drained left nothing open.
    if (value?.drained !== true) this.lines.push({ kind: 'end', process: actor.name, way: 'stop', from, to: now() })
  }

  async end() {
    await Promise.all([...this.#all].map(async (actor) => {
      if (actor.isKilled || actor.isClosed) return
      if (actor.worker !== undefined || !actor.isOpen) return this.kill(actor)
      await this.close(actor, 0).then(() => this.world.processes.give(actor.process), () => actor.process.kill())
    }))
  }
}

async function within(promise, ms, words) {
  const late = new AbortController()
  try {
    return await Promise.race([promise, delay(ms, undefined, { signal: late.signal }).then(() => Promise.reject(new Error(words)), () => undefined)])
  } finally {
    late.abort()
  }
}

/** Somebody who makes one call after another at a place, whoever stands there. */
async function client({ stage, author, slot, random, steps, signal }) {
  for (let n = 0; n < steps; n++) {
    signal?.throwIfAborted()
    const actor = stage.slots[slot]
    if (!actor.isOpen && !random.chance(0.1)) {
      await delay(5)
      continue
    }
    const burst = random.chance(0.2) ? random.between(2, 5) : 1
    // Nobody awaits the one before the other: they are in order all the same.
    await Promise.all(Array.from({ length: burst }, () => author.act((...call) => stage.call(actor, ...call))))
    if (random.chance(0.5)) await delay(random.between(0, 8))
  }
}

/** What happens to processes meanwhile. */
async function disturb({ stage, count, worker, random, until, signal }) {
  let isOver = false
  void until.then(() => (isOver = true), () => (isOver = true))
  for (let blows = random.between(0, 5); blows > 0 && !isOver; blows--) {
    await delay(random.between(10, 120))
    signal?.throwIfAborted()
    if (worker !== null && !worker.isKilled && random.chance(0.3)) {
      await (random.chance(0.5) ? stage.kill(worker) : stage.close(worker, 200))
      continue
    }
    const slot = random.between(0, count - 1)
    const actor = stage.slots[slot]
    const blow = random.pick(BLOWS)
    if (blow === 'kill') {
      await stage.kill(actor)
      await stage.open(slot, { dispatch: actor.dispatch })
    } else if (blow === 'stop') {
      await stage.close(actor, random.pick([0, 20, 400]))
      await stage.open(slot, { dispatch: actor.dispatch }, actor.process)
    } else {
      actor.process.kill('SIGSTOP')
      await delay(random.between(10, 120))
      actor.process.kill('SIGCONT')
    }
  }
}

/** Fair weather: all that waits is delivered or seen to by a person, and everybody is asked for the last time. */
async function drain({ stage, author, lines, signal }) {
  if (!stage.slots[0].dispatch) {
    // The worker may be gone for good.
    await stage.close(stage.slots[0], 0)
    await stage.open(0, { dispatch: true }, stage.slots[0].process)
  }
  const actor = stage.slots[0]
  const ask = (method, args, more) => stage.call(actor, method, args, more)
  const by = { actor: 'the rig' }
  for (const destination of Object.keys(author.destinations)) {
    await ask('resetDestination', [destination, by])
    await ask('resumeDestination', [destination, by])
  }
  if (author.random.chance(0.5)) await ask('releaseMessages', [{}, { ...by, allowOvertaken: author.random.chance(0.5) }])
  if (author.random.chance(0.3)) await ask('retryMessages', [{ status: ['FAILED'] }, { ...by, allowOvertaken: author.random.chance(0.5) }])
  for (const began = performance.now(), hurry = { at: began }; ; await delay(10)) {
    signal?.throwIfAborted()
    const { value, error } = await actor.process.call({}, 'getStats', [])
    if (value?.byStatus.PENDING === 0) break
    if (performance.now() - began > DRAIN_MS_MAX) {
      lines.push({ kind: 'trouble', words: `not delivered after ${DRAIN_MS_MAX / 1_000} s of fair weather: ${JSON.stringify(value ?? error)}` })
      break
    }
    if (performance.now() - hurry.at < 120) continue
    // A destination that rests is probed; what a dead letter holds up goes on; what was paused for its refusals is resumed.
    for (const destination of Object.keys(author.destinations)) await ask('resumeDestination', [destination, by])
    const stuck = { status: ['FAILED'], destination: 'b' }
    await (author.random.chance(0.5) ? ask('cancelMessages', [stuck, by]) : ask('retryMessages', [stuck, { ...by, allowOvertaken: true }]))
    await ask('retryMessages', [{ status: ['PENDING'] }, { ...by, allowOvertaken: true }])
    hurry.at = performance.now()
  }
  const last = author.last()
  const { value } = await ask('enqueueHl7', last.args, { messages: last.messages })
  await ask('feed', [value?.id])
  await ask('getStats', [], { isFinal: true })
  await ask('listMessages', [{ limit: 1_000, order: 'oldest' }], { isFinal: true })
  await Promise.all([...author.all()].map(({ control, destination }) => ask('getMessage', [{ controlId: control, destination }], { isFinal: true })))
}

