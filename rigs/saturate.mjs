// G14: eight processes enqueue into one file as fast as it takes it. Nobody waits long, and all get on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'

import { environment } from '../__test__/support/processes.mjs'
import { startApplication } from './lib/application.mjs'
import { statesOf } from './lib/ending.mjs'

const child = join(dirname(fileURLToPath(import.meta.url)), 'lib', 'saturate-child.mjs')

const PROCESSES = 8
/** Calls of one process at a time: those that share a group. */
const LOOPS = 8
const GOAL = { p99Ms: 100, maxMs: 500 }
/** A violation even on a machine that is busy with other things. */
const LIMIT = { p99Ms: 400, maxMs: 2_000 }
/** The slowest process gets at least this share of what the fastest gets. */
const SHARE_MIN = 0.1

/** Somebody who keeps the write lock for a second at a time, with the SQLite of the system. */
const HOG = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
while True:
    db.execute('BEGIN IMMEDIATE'); time.sleep(2.5); db.execute('ROLLBACK'); time.sleep(0.2)
`

export default {
  goal: 'G14',
  title: 'eight processes that saturate one file',
  unit: 'seconds',
  cycles: 5,
  plants: { hog: 'another program holds the write lock for seconds (python3 of the system)' },
  async run({ cycles, folder, plant, say, signal }) {
    const path = join(folder, 'outbox.db')
    const config = { path, dispatch: false, destinations: { rig: { url: 'http://127.0.0.1:9/', enabled: false } }, log: { level: 'error' } }
    const observer = startApplication({ name: 'observer', config })
    await observer.ready
    const writers = Array.from({ length: PROCESSES }, (_, n) => startWriter(`S${n}`, config))
    const hog = plant === 'hog' ? spawn('python3', ['-c', HOG, path], { stdio: ['ignore', 'ignore', 'inherit'] }) : null
    try {
      if (hog !== null) await once(hog, 'spawn').catch((error) => { throw Object.assign(error, { hint: 'install the package python3' }) })
      await Promise.all(writers.map(({ ready }) => ready))
      for (const writer of writers) writer.tell('go')
      await delay(cycles * 1_000, undefined, { signal })
      const results = await Promise.all(writers.map((writer) => writer.end()))
      hog?.kill('SIGKILL')
      const found = judge(results, cycles)
      say(`${found.figures.perSecond} enqueues a second, of the single processes ${results.map(({ waits }) => waits.length).join(' ')}`)
      const known = await statesOf(observer)
      results.forEach(({ number, refused }, n) => {
        let missing = 0
        for (let k = 0; k < number; k++) if (!known.has(`S${n}N${k.toString(36).toUpperCase().padStart(6, '0')}`)) missing += 1
        if (missing > refused) found.violations.push(`lost: ${missing} of S${n} are unknown and ${refused} were refused`)
      })
      return found
    } finally {
      hog?.kill('SIGKILL')
      await Promise.all([...writers.map(({ kill }) => kill()), observer.kill()])
    }
  },
}

function judge(results, seconds) {
  const violations = []
  const waits = results.flatMap((result) => result.waits).sort((a, b) => a - b)
  const ms = (share) => Math.round(waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] / 100) / 10
  const [p50, p99, max] = [ms(0.5), ms(0.99), ms(1)]
  const counts = results.map((result) => result.waits.length)
  const share = Math.round((Math.min(...counts) / Math.max(...counts)) * 100) / 100
  const refused = results.reduce((sum, result) => sum + result.refused, 0)
  if (p99 > LIMIT.p99Ms) violations.push(`99 of 100 enqueues waited up to ${p99} ms`)
  if (max > LIMIT.maxMs) violations.push(`an enqueue waited ${max} ms`)
  if (share < SHARE_MIN) violations.push(`a process stored ${Math.min(...counts)} messages while another stored ${Math.max(...counts)}`)
  if (refused > 0) violations.push(`${refused} enqueues were refused`)
  const isMet = p99 <= GOAL.p99Ms && max <= GOAL.maxMs
  return { figures: { enqueued: waits.length, perSecond: Math.round(waits.length / seconds), p50Ms: p50, p99Ms: p99, maxMs: max, leastShare: share, goal: isMet ? 'met' : 'missed' }, violations }
}

function startWriter(name, config) {
  const spawned = spawn(process.execPath, [child, JSON.stringify({ name, config, loops: LOOPS })], { env: environment(), stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(spawned, 'close')
  const lines = createInterface({ input: spawned.stdout })[Symbol.asyncIterator]()
  const line = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error(`${name} ended before it had said everything`)
    return value
  }
  return {
    ready: line(),
    tell: (word) => spawned.stdin.write(`${word}\n`),
    async end() {
      spawned.stdin.write('end\n')
      return JSON.parse(await line())
    },
    kill() {
      if (spawned.exitCode === null && spawned.signalCode === null) spawned.kill('SIGKILL')
      return ended
    },
  }
}
