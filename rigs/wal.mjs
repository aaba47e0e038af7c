// G15: the write-ahead log stays small whatever our own readers do; a foreign one lets it grow, which is told and bounded.
import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { hl7 } from '../__test__/support/messages.mjs'
import { door } from '../__test__/support/outbox.mjs'
import { startReceiver } from './lib/receiver.mjs'

const MIB = 1 << 20
/** The log of our own readers, and where health speaks. */
const LOG_BYTES_MAX = 64 * MIB
/** Where new messages are refused; the least that the configuration takes is 64 MiB. */
const WAL_BYTES = 80 * MIB
const MESSAGE_BYTES = 256 << 10
const AT_ONCE = 8
/** More than the log may have, twice. */
const WRITTEN_BYTES = 160 * MIB
const WAIT_MS_MAX = 60_000
/** What a group of commits may add before its growth is seen. */
const SLACK_BYTES = 32 * MIB

const READER = `
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute('BEGIN')
file.execute('SELECT count(*) FROM message').fetchone()
print('reads', flush=True)
sys.stdin.read()
`

export default {
  goal: 'G15',
  title: 'the write-ahead log with our own readers, and with a foreign one',
  unit: 'rounds',
  cycles: 1,
  plants: {
    reader: 'another process keeps a transaction open while only our own readers are said to read',
  },
  async run({ cycles, folder, plant, say, signal }) {
    const figures = { stored: 0, questions: 0, changes: 0, ownLogMiB: 0, foreignLogMiB: 0, refused: 0, deliveredMeanwhile: 0, recoveredMs: 0 }
    const violations = []
    for (let round = 0; round < cycles && !signal.aborted; round++) {
      const receiver = await startReceiver()
      const path = join(folder, `round-${round}.db`)
      const destinations = { rig: { url: receiver.url, concurrency: 8, retry: { scheduleMs: [20], jitter: 0 } } }
      const outbox = await door.Outbox.open({ path, destinations, limits: { walBytes: WAL_BYTES }, log: { level: 'error' } })
      try {
        await ownReaders({ outbox, path, round, plant, figures, violations })
        if (plant === undefined) await foreignReader({ outbox, path, round, receiver, figures, violations })
      } finally {
        await outbox.close()
        await receiver.stop()
      }
      say(`${round + 1} rounds, ${figures.stored} stored, log ${figures.ownLogMiB} MiB alone and ${figures.foreignLogMiB} MiB with a foreign reader, ${violations.length} violations`)
    }
    return { figures, violations }
  },
}

const logBytes = (path) => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
const inMiB = (bytes) => Math.ceil(bytes / MIB)

/** Stores until told to stop; resolves with the codes of the refusals, and how many were stored. */
async function store(outbox, name, { until }) {
  const codes = []
  let stored = 0
  let n = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async (_, lane) => {
    while (!until(stored, codes)) {
      const text = hl7({ control: `${name}N${n++}`, patient: `W-${lane}`, bytes: MESSAGE_BYTES })
      await outbox.enqueueHl7(text).then(() => (stored += 1), ({ code }) => codes.push(code))
    }
  }))
  return { codes, stored }
}

/** Holds what `look` says for as long as it takes to become true; answers how long that was, or null. */
async function eventually(look) {
  const began = performance.now()
  while (performance.now() - began < WAIT_MS_MAX) {
    if (await look()) return Math.round(performance.now() - began)
    await delay(25)
  }
  return null
}

async function ownReaders({ outbox, path, round, plant, figures, violations }) {
  const stop = new AbortController()
  const reader = plant === 'reader' ? await startReader(path) : undefined
  let largest = 0
  const watch = setInterval(() => (largest = Math.max(largest, logBytes(path))), 10)
  const refusals = new Set()
  const busy = [
    ...[() => outbox.listMessages({ limit: 1_000 }), () => outbox.listMessages({ limit: 1_000, order: 'oldest' }), () => outbox.getStats()].map(async (ask) => {
      while (!stop.signal.aborted) {
        await ask().catch(({ code }) => refusals.add(code))
        figures.questions += 1
      }
    }),
    ...Array.from({ length: 2 }, async () => {
      for await (const change of outbox.statusChanges({ signal: stop.signal })) figures.changes += change === null ? 0 : 1
    }),
  ]
  const { codes, stored } = await store(outbox, `R${round}`, { until: (stored, codes) => stored * MESSAGE_BYTES >= WRITTEN_BYTES || codes.length > 0 })
  stop.abort()
  await Promise.allSettled(busy)
  clearInterval(watch)
  await reader?.end()
  figures.stored += stored
  figures.ownLogMiB = Math.max(figures.ownLogMiB, inMiB(largest))
  if (largest > LOG_BYTES_MAX) violations.push(`with our own readers the log grew to ${inMiB(largest)} MiB`)
  if (codes.length > 0) violations.push(`with our own readers messages were refused: ${[...new Set(codes)].join(', ')}`)
  refusals.delete('ERR_QUERY_TIMEOUT')
  if (refusals.size > 0) violations.push(`questions were refused: ${[...refusals].join(', ')}`)
}

async function foreignReader({ outbox, path, round, receiver, figures, violations }) {
  const problems = async () => (await outbox.getHealth()).problems.map(({ code }) => code)
  if ((await eventually(async () => (await outbox.getStats()).byStatus.PENDING === 0)) === null) violations.push('the first messages were not delivered')
  const reader = await startReader(path)
  try {
    const isFull = (_, codes) => codes.length >= AT_ONCE
    const { codes, stored } = await store(outbox, `F${round}`, { until: (stored, codes) => isFull(stored, codes) || stored * MESSAGE_BYTES > 4 * WAL_BYTES })
    figures.stored += stored
    figures.refused += codes.length
    figures.foreignLogMiB = Math.max(figures.foreignLogMiB, inMiB(logBytes(path)))
    if (codes.length === 0) violations.push(`${inMiB(logBytes(path))} MiB of log, and nothing was refused`)
    if (codes.some((code) => code !== 'ERR_WAL_FULL')) violations.push(`refused with ${[...new Set(codes)].join(', ')}`)
    if (logBytes(path) > WAL_BYTES + SLACK_BYTES) violations.push(`the log grew to ${inMiB(logBytes(path))} MiB beyond walBytes`)
    if (!(await problems()).includes('wal-large')) violations.push('health does not speak of the log')
    // What is stored leaves although nothing new is taken.
    const before = receiver.arrivals.length
    if ((await eventually(async () => (await outbox.getStats()).byStatus.PENDING === 0)) === null) violations.push('stored messages did not leave while the log was full')
    figures.deliveredMeanwhile += receiver.arrivals.length - before
  } finally {
    await reader.end()
  }
  const recovered = await eventually(() => outbox.enqueueHl7(hl7({ control: `B${round}N${Math.round(performance.now())}` })).then(() => true, () => false))
  if (recovered === null) violations.push('the reader has gone, and nothing is taken again')
  figures.recoveredMs = Math.max(figures.recoveredMs, recovered ?? 0)
  if ((await eventually(async () => !(await problems()).includes('wal-large'))) === null) violations.push(`the reader has gone, and the log still has ${inMiB(logBytes(path))} MiB`)
}

/** A program that is not ours, in a read transaction. */
async function startReader(path) {
  const spawned = spawn('python3', ['-c', READER, path], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => spawned.once('close', resolve))
  await new Promise((resolve, reject) => {
    spawned.once('error', () => reject(Object.assign(new Error('python3 is missing'), { hint: 'apt-get install python3' })))
    createInterface({ input: spawned.stdout }).once('line', resolve)
  })
  return {
    async end() {
      spawned.stdin.end()
      await ended
    },
  }
}
