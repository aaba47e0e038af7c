// The parts of the benchmark: what is run, and the rows of the table that come of it.
import { join } from 'node:path'

import { Processes } from '../../scripts/lib/processes.mjs'
import { root } from '../../scripts/prepare.mjs'
import { median, number, quantile, spread, summary } from './figures.mjs'
import { interleaved } from './rounds.mjs'

const IN_FLIGHT = 256
const CONCURRENCIES = [4, 32, 256]

const of = (rounds, value) => summary(rounds.map(value))
/** Round by round, so that both sides of a ratio met the machine in the same mood. */
const ratioOf = (ours, peer, value) => median(ours.map((round, n) => value(round) / value(peer[n])))
const times = (ratio) => `${number(ratio)} ×`
const p = (q) => (round) => quantile(round.us, q)

/** A row; a goal is `{ text, reached }`. */
const row = (work, ours, peer, ratio, goal) => [work, ours, peer, ratio, goal?.text ?? '', goal === undefined ? '' : goal.reached ? 'yes' : 'NO']

async function enqueue({ rounds, scale }) {
  const raw = await interleaved(rounds, {
    ours: ['ours', 'enqueue', { count: 30_000 * scale, inFlight: IN_FLIGHT }],
    peer: ['peer', 'enqueue', { count: 6_000 * scale }],
    oursBytes: ['ours', 'enqueue', { count: 30_000 * scale, inFlight: IN_FLIGHT, bytes: true }],
  })
  const rate = (each) => each.perSecond
  const [ours, peer, bytes] = [of(raw.ours, rate), of(raw.peer, rate), of(raw.oursBytes, rate)]
  const ratio = ratioOf(raw.ours, raw.peer, rate)
  const rows = [
    row(`enqueue, ${IN_FLIGHT} in flight`, spread(ours, '/s'), spread(peer, '/s'), times(ratio), { text: '≥ 8 ×', reached: ratio >= 8 }),
    row('  the same, as bytes', spread(bytes, '/s'), '', times(ratioOf(raw.oursBytes, raw.peer, rate))),
  ]
  if (raw.ours.some((each) => each.cpuUs === null)) return { raw, rows: [...rows, row('JS thread per call', 'not told by this system', '', '')] }
  const cpu = (each) => each.cpuUs
  const own = of(raw.ours, cpu)
  const held = of(raw.peer, (each) => each.heldUs)
  rows.push(
    row('JS thread per call (CPU; peer: held)', spread(own, 'µs'), spread(held, 'µs'), '', { text: '≤ 10 µs', reached: own.median <= 10 }),
    row('  the same, as bytes', spread(of(raw.oursBytes, cpu), 'µs'), '', ''),
  )
  return { raw, rows }
}

async function single({ rounds, scale }) {
  const options = { count: 2_000 * scale }
  const raw = await interleaved(rounds, { ours: ['ours', 'single', options], peer: ['peer', 'single', options] })
  const line = (work, q, goal) => {
    const [ours, peer] = [of(raw.ours, p(q)), of(raw.peer, p(q))]
    const ratio = ratioOf(raw.ours, raw.peer, p(q))
    return row(work, spread(ours, 'µs'), spread(peer, 'µs'), times(ratio), goal === undefined ? undefined : { text: `≤ ${goal} ×`, reached: ratio <= goal })
  }
  return { raw, rows: [line('one at a time, p50', 0.5, 1.5), line('  p99', 0.99)] }
}

async function loop({ rounds, scale }) {
  const raw = await interleaved(rounds, {
    ours: ['ours', 'loop', { count: 30_000 * scale, inFlight: IN_FLIGHT }],
    idle: ['ours', 'idle', { ms: 1_500 * scale }],
    peer: ['peer', 'loop', { count: 6_000 * scale, inFlight: IN_FLIGHT }],
  })
  const longest = (each) => each.longestMs
  const [ours, peer, idle] = [of(raw.ours, longest), of(raw.peer, longest), of(raw.idle, longest)]
  return {
    raw,
    rows: [
      row(`longest loop delay, ${IN_FLIGHT} in flight`, spread(ours, 'ms'), spread(peer, 'ms'), times(ratioOf(raw.ours, raw.peer, longest)), { text: '≤ 10 ms', reached: ours.median <= 10 }),
      row('  the same of an idle process', spread(idle, 'ms'), '', ''),
    ],
  }
}

async function arrival({ rounds, scale }) {
  const raw = await interleaved(rounds, { ours: ['ours', 'arrival', { count: Math.ceil(60 * scale), gapMs: 30 }] })
  const at = (key, q) => of(raw.ours, (each) => quantile(each[key], q))
  const p50 = at('afterResolveMs', 0.5)
  return {
    raw,
    rows: [
      row('resolve to arrival, idle, p50', spread(p50, 'ms'), '', '', { text: '≤ 3 ms', reached: p50.median <= 3 }),
      row('  p95', spread(at('afterResolveMs', 0.95), 'ms'), '', ''),
      row('  call to arrival, p50', spread(at('afterCallMs', 0.5), 'ms'), '', ''),
    ],
  }
}

async function delivery({ rounds, scale }) {
  return withReceiver([], async (url) => {
    const all = {}
    for (const concurrency of CONCURRENCIES) {
      const options = { count: 6_000 * scale, concurrency, url }
      all[`ours${concurrency}`] = ['ours', 'delivery', options]
      all[`peer${concurrency}`] = ['peer', 'delivery', options]
    }
    const raw = await interleaved(rounds, all)
    const rate = (each) => each.perSecond
    const rows = CONCURRENCIES.map((concurrency) => {
      const [ours, peer] = [of(raw[`ours${concurrency}`], rate), of(raw[`peer${concurrency}`], rate)]
      return row(`delivery, ${concurrency} at once`, spread(ours, '/s'), spread(peer, '/s'), times(ratioOf(raw[`ours${concurrency}`], raw[`peer${concurrency}`], rate)))
    })
    return { raw, rows }
  })
}

/** One lane that does not move, with 200 messages behind its first, among 10,000 that do. */
async function blocked({ rounds, scale }) {
  return withReceiver(['--behaviour', JSON.stringify({ rules: [{ when: { patient: 'BLOCKED' }, answer: 'ar' }] })], async (url) => {
    const options = { count: 10_000 * scale, concurrency: 32, url }
    const raw = await interleaved(rounds, {
      blocked: ['ours', 'delivery', { ...options, blocked: 200 }],
      free: ['ours', 'delivery', options],
    })
    const rate = (each) => each.perSecond
    const ratio = ratioOf(raw.blocked, raw.free, rate)
    const goal = { text: '≥ 0.9 ×', reached: ratio >= 0.9 }
    return { raw, rows: [row(`one blocked lane among ${options.count} (peer: none)`, spread(of(raw.blocked, rate), '/s'), spread(of(raw.free, rate), '/s'), times(ratio), goal)] }
  })
}

/** An hour: a million messages are stored, delivered, and changed six times. */
const BULK_MS_MAX = 3_600_000
const BULK_COMMANDS = ['hold', 'release', 'cancel', 'retry', 'resend', 'purge']
/** What an enqueue may wait while a command runs, p99. */
const WAIT_GOAL_MS = 50

/** Commands on a million messages. One round of it is long; the enqueues without a command come before each, in the same file. */
async function bulk({ rounds, scale }) {
  const count = 1_000_000 * (scale < 1 ? 0.1 : 1)
  return withReceiver([], async (url) => {
    const raw = await interleaved(rounds < 7 ? rounds : 1, { bulk: ['bulk', 'bulk', { count, url, commands: BULK_COMMANDS, roundMsMax: BULK_MS_MAX }] })
    const each = (name, value) => of(raw.bulk, ({ measured }) => value(measured[name]))
    const waits = (name, where) => {
      const at = (q) => each(name, (one) => quantile(one[where], q)).median
      const base = each(name, (one) => quantile(one.baseline[where], 0.99)).median
      const longest = each(name, (one) => Math.max(...one[where])).max
      return row(`  enqueue ${where === 'here' ? 'meanwhile' : 'in another process'}, p99 (longest); without`, `${number(at(0.99))} ms (${number(longest)} ms)`, `${number(base)} ms`, times(at(0.99) / base), {
        text: `≤ ${WAIT_GOAL_MS} ms`,
        reached: at(0.99) <= WAIT_GOAL_MS,
      })
    }
    const rows = BULK_COMMANDS.flatMap((name) => [
      row(`${name} of ${number(count)}`, spread(each(name, (one) => one.seconds), 's'), '', ''),
      row('  processor time for each message', spread(each(name, (one) => one.cpuUs), 'µs'), '', ''),
      waits(name, 'here'),
      waits(name, 'elsewhere'),
      row('  memory beyond what there was before', `${number(each(name, (one) => one.memoryMib).max)} MiB`, '', ''),
    ])
    return { raw, rows }
  })
}

/** A backup of a large file beside callers: how long one waits then, and without. */
async function backup({ rounds, scale }) {
  const raw = await interleaved(1, { ours: ['ours', 'backup', { bytes: 1e9 * scale, backups: rounds }] })
  const { pairs } = raw.ours[0]
  const at = (side, q) => summary(pairs.map((pair) => quantile(pair[side].us, q) / 1e3))
  const ratio = (q) => median(pairs.map(({ during, alone }) => quantile(during.us, q) / quantile(alone.us, q)))
  const line = (work, q, goal) => row(work, spread(at('during', q), 'ms'), spread(at('alone', q), 'ms'), times(ratio(q)), goal)
  return {
    raw,
    rows: [
      line(`enqueue beside a backup of ${number(scale)} GB, p99 (peer: without)`, 0.99, { text: '≤ 2 ×', reached: ratio(0.99) <= 2 }),
      line('  p50', 0.5),
      line('  longest', 1),
      row('  the backup takes', spread(summary(pairs.map(({ during }) => during.ms / 1e3)), 's'), '', ''),
    ],
  }
}

/** Gives a stand-in receiver of its own, in another process. */
async function withReceiver(more, use) {
  const processes = new Processes()
  try {
    const cli = join(root, 'dist', 'cli', 'main.js')
    const ready = (line) => /"(http:\/\/[^"]+)"/.exec(line)?.[1]
    const args = [cli, 'receiver', '--keep', 'counts', '--http', '127.0.0.1:0', '--json', ...more]
    const { value: url } = await processes.start('the receiver', args, { ready })
    return await use(url)
  } finally {
    await processes.stopAll()
  }
}

export const parts = { enqueue, single, loop, arrival, delivery, blocked, bulk, backup }
