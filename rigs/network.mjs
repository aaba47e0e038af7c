// G11: a fault between the outbox and its receiver, at every byte; then good weather, and everything must be as promised.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { hl7 } from '../__test__/support/messages.mjs'
import { by, door } from '../__test__/support/outbox.mjs'
import { certificate } from './lib/certificates.mjs'
import { check } from './lib/checker.mjs'
import { now } from './lib/clock.mjs'
import { ANSWERS } from './lib/network/answers.mjs'
import { startPeer } from './lib/network/peer.mjs'
import { ATTEMPTS_AT_ONCE_MAX, causedByDeadlines, groupBy, judge, overlaps } from './lib/network/verdict.mjs'
import { digestOf } from './lib/receiver.mjs'

/** Episodes that go on at once, each with a destination and a peer of its own, through one outbox. */
const EPISODES_A_ROUND = 100
const KINDS = ['http', 'https', 'mllp', 'mllps']
const TIMEOUTS = { connectMs: 1_000, writeMs: 1_000, firstByteMs: 900, totalMs: 1_200 }
/** More than the kernel takes on its own (tcp_wmem and tcp_rmem): who read little of it knows that it never left whole. */
const BIG_BYTES = 12 << 20
const BIG_TIMEOUTS = { connectMs: 4_000, writeMs: 4_000, firstByteMs: 4_000, totalMs: 8_000 }
/** Of an exchange, as long as none was seen. */
const LENGTH_GUESSED = 300
const ROUND_MS_MAX = 60_000
const LOOK_EVERY_MS = 50

export default {
  goal: 'G11',
  title: 'faults of the network and of receivers, over HTTP, HTTPS, MLLP and MLLPS',
  unit: 'episodes',
  cycles: 500,
  plants: {
    phantom: 'a peer acknowledges messages of which it got only a part',
    forge: 'a proxy passes a refusal on as an acceptance',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    const papers = { good: certificate(folder, 'good'), rogue: certificate(folder, 'rogue') }
    const totals = { messages: 0, faults: 0, arrived: 0, repeats: 0, doubts: 0, slow: 0 }
    const violations = []
    const offsets = new Offsets()
    for (let done = 0, round = 0; done < cycles && !signal.aborted; round++) {
      const count = Math.min(EPISODES_A_ROUND, cycles - done)
      const found = await once({ first: done, count, random: random.fork(), path: join(folder, `round-${round}.db`), papers, plant, offsets, signal })
      for (const name of Object.keys(totals)) totals[name] += found.figures[name]
      violations.push(...found.violations.map((words) => `round ${round}: ${words}`))
      done += count
      if (done % 500 === 0 || done === cycles) say(`${done} episodes, ${totals.faults} faults, ${totals.repeats} repeats, ${violations.length} violations`)
    }
    return { figures: { ...totals, cuts: offsets.shares() }, violations }
  },
}

/** Where exchanges are cut: every offset in turn, per kind of peer and direction. */
class Offsets {
  #ways = new Map()

  /** Notes how long an exchange in fair weather is; on a new connection with everything that opens it. */
  learn(key, length) {
    this.#known(key).length = Math.max(this.#known(key).length, length)
  }

  next(key, random) {
    const known = this.#known(key)
    const whole = known.length || LENGTH_GUESSED
    if (known.left.length === 0) known.left = Array.from({ length: whole + 1 }, (_, at) => at)
    const [at] = known.left.splice(random.between(0, known.left.length - 1), 1)
    known.cut.add(at)
    return at
  }

  /** How many of all offsets were cut at. */
  shares() {
    return Object.fromEntries([...this.#ways].sort().map(([key, { cut, length }]) => [key, `${[...cut].filter((at) => at <= length).length}/${length + 1}`]))
  }

  #known(key) {
    if (!this.#ways.has(key)) this.#ways.set(key, { length: 0, left: [], cut: new Set() })
    return this.#ways.get(key)
  }
}

function faultFor(isSecure, random, isBig) {
  if (isBig) return { name: 'big cut', isBig, cut: { way: 'up', at: random.between(1, 1 << 20), act: random.pick(['rst', 'rst', 'hole']) } }
  const dice = random.unit()
  if (dice < 0.45) {
    return { name: 'cut', cut: { way: random.chance(0.5) ? 'up' : 'down', act: random.pick(['rst', 'rst', 'rst', 'fin', 'fin', 'stall', 'hole']) } }
  }
  if (dice < 0.5) return { name: 'slow reader', isSlowReader: true }
  if (dice < 0.55) return { name: 'gone', isGone: true }
  if (dice < 0.6 && isSecure) return { name: 'rogue', isRogue: true }
  const answer = random.pick(Object.keys(ANSWERS))
  return { name: answer, answer }
}

async function once({ first, count, random, path, papers, plant, offsets, signal }) {
  const episodes = []
  for (let n = 0; n < count; n++) episodes.push(await startEpisode({ n: first + n, isBig: n === 7, random: random.fork(), papers, plant, offsets }))
  signal.throwIfAborted()
  const destinations = Object.fromEntries(episodes.map(({ name, destination }) => [name, destination]))
  let outbox
  try {
    outbox = await door.Outbox.open({ path, destinations, defaultDestination: episodes[0].name, log: { level: 'error' } })
    await Promise.all(episodes.map((episode) => enqueue(outbox, episode)))
    const left = await untilDelivered(outbox, signal)
    const figures = { messages: 0, faults: 0, arrived: 0, repeats: 0, doubts: 0, slow: 0 }
    const violations = left === 0 ? [] : [`${left} messages were not delivered in ${ROUND_MS_MAX / 1000} s of good weather`]
    for (const episode of episodes) {
      const found = await judgeEpisode(outbox, episode)
      for (const name of Object.keys(figures)) figures[name] += found.figures[name]
      violations.push(...found.violations.map((words) => `episode ${episode.n} (${episode.peer.kind}; ${episode.peer.fired.map(({ fault }) => fault.name).join(', ')}): ${words}`))
    }
    return { figures, violations }
  } finally {
    await outbox?.close({ timeoutMs: 0 })
    for (const { peer } of episodes) peer.stop()
  }
}

async function startEpisode({ n, isBig, random, papers, plant, offsets }) {
  const faults = []
  const kind = KINDS[n % KINDS.length]
  const way = (which, isFresh) => `${kind} ${isFresh ? 'new' : 'kept'} ${which}`
  const next = ({ isFresh }) => {
    const fault = faults.shift() ?? null
    if (fault?.name === 'cut') {
      fault.cut.at = offsets.next(way(fault.cut.way, isFresh), random)
      fault.name = `${fault.cut.act} at ${fault.cut.way} ${fault.cut.at}`
    }
    return fault
  }
  next.again = (fault) => faults.unshift(fault)
  const tamper = plant === 'forge' ? ({ means }, bytes) => (means === 'refuses' ? Buffer.from(bytes.toString('latin1').replace('MSA|AR|', 'MSA|AA|'), 'latin1') : bytes) : undefined
  const peer = await startPeer({ kind, next, random: random.fork(), papers, tamper, phantom: plant === 'phantom' })
  peer.onFair = ({ isFresh, passed }) => Object.entries(passed).forEach(([which, bytes]) => offsets.learn(way(which, isFresh), bytes))
  for (let left = isBig ? 2 : random.between(1, 4); left > 0; left--) faults.push(faultFor(kind.endsWith('s'), random, isBig))
  const destination = {
    url: peer.url,
    timeouts: isBig ? BIG_TIMEOUTS : TIMEOUTS,
    retry: { scheduleMs: [20], jitter: 0, maxAttempts: 1_000, maxIndeterminate: 1_000 },
    rateLimit: null,
    concurrency: random.between(1, ATTEMPTS_AT_ONCE_MAX),
    requireHl7Ack: true,
    ...(kind.endsWith('s') ? { tls: { caFile: papers.good.certFile } } : {}),
  }
  return { n, name: `e${n}`, peer, destination, isBig, random, calls: new Map() }
}

/** Some messages of some lanes, none of them waited for before the next is called. */
async function enqueue(outbox, { n, name, isBig, random, calls }) {
  const lanes = Array.from({ length: isBig ? 1 : random.between(2, 3) }, (_, lane) => `E${n}L${lane}`)
  const order = isBig ? [lanes[0], lanes[0]] : lanes.flatMap((lane) => Array(random.between(2, 3)).fill(lane)).sort(() => random.unit() - 0.5)
  await Promise.all(order.map(async (lane, k) => {
    const control = `E${n}N${k}`
    const text = hl7({ control, patient: lane, bytes: isBig && k === 0 ? BIG_BYTES : 0 })
    const call = { control, lane, digest: digestOf(Buffer.from(text)), process: name, n: k, called: now(), resolved: null, rejected: 0 }
    calls.set(control, call)
    await outbox.enqueueHl7(text, { destination: name })
    call.resolved = now()
  }))
}

/** Resting destinations are asked for a probe at once, as a person would: else a refused certificate would rest for a quarter of an hour. */
async function untilDelivered(outbox, signal) {
  for (const deadline = performance.now() + ROUND_MS_MAX; ; ) {
    signal.throwIfAborted()
    const { byStatus } = await outbox.getStats()
    if (byStatus.PENDING === 0 || performance.now() > deadline) return byStatus.PENDING
    const { destinations } = await outbox.getHealth()
    const resting = Object.entries(destinations).filter(([, { state, inFlight, pending }]) => state !== 'ok' && inFlight === 0 && pending > 0)
    await Promise.all(resting.map(([destination]) => outbox.retryMessages({ destination, status: 'PENDING' }, by)))
    await delay(LOOK_EVERY_MS)
  }
}

async function judgeEpisode(outbox, { name, peer, calls }) {
  const messages = new Map()
  const { items } = await outbox.listMessages({ destination: name, limit: 100 })
  await Promise.all(items.map(async (message) => messages.set(message.controlId, { message, attempts: await outbox.getAttempts(message.id) })))
  const states = new Map(items.map((message) => [message.controlId, message]))
  // What was refused was not taken; that it comes again is as it should be.
  const arrivals = peer.exchanges.filter(({ whole, means }) => whole !== null && means !== 'refuses').map((exchange) => ({ ...exchange, at: exchange.whole }))
  const timeoutMs = Math.min(...Object.values(TIMEOUTS))
  const seen = check({ calls, arrivals, states, events: [...peer.events, ...causedByDeadlines(messages, peer.exchanges, timeoutMs)] })
  const { violations, slow, doubts } = judge({ messages, peer, timeoutMs })
  const lanes = groupBy([...calls.values()], ({ lane }) => lane)
  const atOnce = [...lanes].flatMap(([lane, list]) => overlaps(lane, list.flatMap(({ control }) => messages.get(control)?.attempts ?? [])))
  return {
    figures: { messages: calls.size, faults: peer.fired.length, arrived: seen.figures.arrived, repeats: seen.figures.repeats, doubts, slow },
    violations: [...seen.violations, ...violations, ...atOnce],
  }
}
