// G12: `pm2 reload` again and again under load, with the files of examples/pm2 as they are: applications in cluster mode that
// deliver themselves, and applications beside a worker while the receiver takes three seconds. No message is sent twice.
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'

import { freePort } from '../scripts/lib/ports.mjs'
import { Journal, startApplication } from './lib/application.mjs'
import { check } from './lib/checker.mjs'
import { Clients } from './lib/client.mjs'
import { statesOf, untilDelivered } from './lib/ending.mjs'
import { installPm2, Pm2 } from './lib/pm2.mjs'
import { startReceiver } from './lib/receiver.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const example = join(root, 'examples', 'pm2')
/** Reloads of one outbox file. */
const RELOADS_A_ROUND = 5
const LANES = Array.from({ length: 12 }, (_, n) => `R-${n}`)
/** Answers within what is left for attempts in flight when the requests of the application have ended. */
const LATENCY_MS_MAX = 400
/** More than PM2 waits for an application. */
const SLOW_MS = 3_000

/** How a round is set up: alone the applications deliver, beside a worker they only enqueue. */
const kinds = {
  alone: { start: ['--only', 'clinic', '--env', 'without_worker'], latency: (random) => random.between(0, LATENCY_MS_MAX), pauseMs: 250, apps: () => ['clinic'] },
  // Every second reload is the worker's own, too.
  worker: { start: [], latency: (random) => random.between(SLOW_MS, SLOW_MS + 500), pauseMs: 2 * SLOW_MS, apps: (n) => (n % 2 === 0 ? ['clinic'] : ['clinic', 'clinic-hl7-worker']) },
}

const plants = {
  deaf: { words: 'the application leaves at SIGINT without stopOutbox', kind: 'alone', server: [/stopOnSignals\(\{[\s\S]*?\n\}\)\n/, "process.once('SIGINT', () => process.exit())\n"] },
  sigkill: { words: 'PM2 sends SIGKILL instead of SIGINT', kind: 'alone', env: { PM2_KILL_SIGNAL: 'SIGKILL' } },
  impatient: { words: "PM2 waits for the worker no longer than for an application", kind: 'worker', ecosystem: ['kill_timeout: 130_000', 'kill_timeout: 1_600'] },
}

export default {
  goal: 'G12',
  title: 'pm2 reload under load, with the files of examples/pm2',
  unit: 'reloads',
  cycles: 5,
  plants: Object.fromEntries(Object.entries(plants).map(([name, { words }]) => [name, words])),
  async run({ cycles, random, folder, plant, say, signal }) {
    if (process.platform === 'win32') throw Object.assign(new Error('the rig reload needs signals'), { hint: 'run it on Linux' })
    await installPm2()
    const totals = { enqueued: 0, arrived: 0, repeats: 0, inFlight: 0, refused: 0, reloadMsMax: 0 }
    const violations = []
    const round = async (kind, reloads, name) => {
      const place = join(folder, name)
      mkdirSync(place)
      const found = await once({ kind, reloads, place, random: random.fork(), plant: plants[plant], signal })
      for (const key of ['enqueued', 'arrived', 'repeats', 'inFlight', 'refused']) totals[key] += found.figures[key]
      totals.reloadMsMax = Math.max(totals.reloadMsMax, found.figures.reloadMsMax)
      violations.push(...found.violations.map((words) => `${name}: ${words}`))
      say(`${name}: ${reloads} reloads, ${JSON.stringify(found.figures)}, ${found.violations.length} violations`)
    }
    for (let done = 0, n = 0; done < cycles && !signal.aborted; n++) {
      const reloads = Math.min(RELOADS_A_ROUND, cycles - done)
      if (plant !== undefined) await round(plants[plant].kind, reloads, `${plants[plant].kind}-${n}`)
      else {
        const beside = Math.floor(reloads * 0.4)
        await round('alone', reloads - beside, `alone-${n}`)
        if (beside > 0) await round('worker', beside, `worker-${n}`)
      }
      done += reloads
    }
    return { figures: totals, violations }
  },
}

async function once({ kind, reloads, place, random, plant, signal }) {
  const { start, latency, pauseMs, apps } = kinds[kind]
  const receiver = await startReceiver({ latency: () => latency(random) })
  const port = await freePort()
  const path = join(place, 'outbox.db')
  const config = { destinations: { rig: { url: receiver.url, concurrency: LANES.length, retry: { scheduleMs: [20], jitter: 0 } } }, log: { level: 'error' } }
  furnish(place, config, plant)
  const pm2 = new Pm2(place, { HL7_OUTBOX_PATH: path, HL7_OUTBOX_CONFIG: join(place, 'hl7-outbox.config.json'), PORT: String(port), ...plant?.env })
  const journal = new Journal()
  let observer
  let clients
  try {
    await pm2.command('start', 'ecosystem.config.js', ...start)
    clients = new Clients({ name: kind[0].toUpperCase(), port, lanes: LANES, pauseMs, journal, random: random.fork() })
    const figures = { inFlight: 0, refused: 0, reloadMsMax: 0 }
    await eventually(() => receiver.arrivals.length >= LANES.length, 'messages at the receiver', signal)
    for (let n = 0; n < reloads; n++) {
      signal.throwIfAborted()
      await delay(random.between(0, 500))
      for (const app of apps(n)) {
        // One has just begun, so that something is cut unless it is waited for.
        const before = receiver.arrivals.length
        await eventually(() => receiver.arrivals.length > before, 'a message at the receiver', signal)
        figures.inFlight += receiver.arrivals.filter(({ ended }) => ended === null).length
        const began = performance.now()
        await pm2.command('reload', app)
        figures.reloadMsMax = Math.max(figures.reloadMsMax, Math.round(performance.now() - began))
      }
    }
    await clients.quiet()
    for (const times of clients.refused.values()) figures.refused += times
    observer = startApplication({ name: 'observer', config: { ...config, path, dispatch: false } })
    await observer.ready
    await untilDelivered(observer, { signal })
    const found = check({ calls: journal.calls, arrivals: receiver.arrivals, states: await statesOf(observer) })
    return { figures: { ...found.figures, ...figures }, violations: found.violations }
  } finally {
    await clients?.quiet().catch(() => undefined)
    await observer?.kill()
    await pm2.stop()
    await receiver.stop()
  }
}

/** The guide's files, the package where they look for it, and the configuration. */
function furnish(place, config, plant) {
  mkdirSync(join(place, 'node_modules'))
  symlinkSync(root, join(place, 'node_modules', 'hl7-outbox'), 'junction')
  writeFileSync(join(place, 'hl7-outbox.config.json'), JSON.stringify(config))
  for (const [file, change] of [['ecosystem.config.js', plant?.ecosystem], ['server.mjs', plant?.server]]) {
    copyFileSync(join(example, file), join(place, file))
    if (change === undefined) continue
    const before = readFileSync(join(place, file), 'utf8')
    const after = before.replace(...change)
    if (after === before) throw new Error(`the fault was not planted: ${file} has changed`)
    writeFileSync(join(place, file), after)
  }
}

async function eventually(look, what, signal, msMax = 30_000) {
  for (const deadline = performance.now() + msMax; !look(); await delay(20, undefined, { signal })) {
    if (performance.now() > deadline) throw new Error(`${what} did not come within ${msMax / 1000} s`)
  }
}
