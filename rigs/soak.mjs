// G17: an application lives through minutes of chaos beside others that are killed, with a receiver that fails now and then. Its memory
// and its descriptors stay flat, and every promise holds. Linux: /proc.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Journal, startApplication } from './lib/application.mjs'
import { check } from './lib/checker.mjs'
import { now } from './lib/clock.mjs'
import { statesOf, untilDelivered } from './lib/ending.mjs'
import { acknowledgement, startReceiver } from './lib/receiver.mjs'

const LANES = Array.from({ length: 12 }, (_, n) => `SO-${n}`)
/** Of ten seconds. What a process takes in its first minutes is no leak. */
const TENS_WARM = 30
const SLOPE_KIB_PER_HOUR_MAX = 1_024
const DESCRIPTORS_MORE_MAX = 16
const UNDER_WAY_US = 300_000

export default {
  goal: 'G17',
  title: 'soak with kills and faults, memory and descriptors of one that lives through it',
  unit: 'tens of seconds',
  cycles: 2,
  plants: { leak: 'the application that lives opens files and never closes them' },
  async run({ cycles, random, folder, plant, say, signal }) {
    const seen = new Set()
    const receiver = await startReceiver({
      latency: () => random.between(0, 10),
      answer(arrival) {
        arrival.again = !seen.has(arrival.control) && random.chance(0.02)
        seen.add(arrival.control)
        return arrival.again ? { status: 500, body: '' } : { status: 200, body: acknowledgement(arrival.control) }
      },
    })
    const journal = new Journal()
    const config = { path: join(folder, 'outbox.db'), destinations: { rig: { url: receiver.url, retry: { scheduleMs: [50], jitter: 0 } } }, log: { level: 'error' } }
    let started = 0
    const leaky = "import { openSync } from 'node:fs'; setInterval(() => openSync('/dev/null'), 100).unref()"
    const start = (execArgv = []) => startApplication({ name: `K${started++}`, config, journal, execArgv, load: { lanes: LANES, burst: 2, pauseMs: 300 } })
    const living = start(plant === 'leak' ? ['--import', `data:text/javascript,${leaky}`] : [])
    const events = []
    const samples = []
    let kills = 0
    let mortal
    try {
      if (!(await living.ready)) throw new Error(`the application did not start\n${living.err}`)
      mortal = start()
      await mortal.ready
      const began = performance.now()
      while (performance.now() - began < cycles * 10_000) {
        await delay(random.between(200, 2_000), undefined, { signal })
        samples.push({ hours: (performance.now() - began) / 3_600_000, ...weigh(living.pid) })
        if (!random.chance(0.3)) continue
        const from = now()
        await mortal.kill()
        events.push([from, Math.max(now(), from + UNDER_WAY_US)])
        kills += 1
        mortal = start()
        await mortal.ready
      }
      await Promise.all([living.quiet(), mortal.quiet()])
      await untilDelivered(living, { signal })
      const found = check({ calls: journal.calls, arrivals: receiver.arrivals, states: await statesOf(living), events })
      const half = samples.slice(Math.floor(samples.length / 2))
      const slope = Math.round(slopeOf(half))
      const more = samples.at(-1).descriptors - samples[Math.min(3, samples.length - 1)].descriptors
      if (more > DESCRIPTORS_MORE_MAX) found.violations.push(`${more} more descriptors are open than at the beginning`)
      if (cycles >= TENS_WARM && slope > SLOPE_KIB_PER_HOUR_MAX) found.violations.push(`memory grows by ${slope} KiB an hour`)
      say(`memory ${samples[0].kib} to ${samples.at(-1).kib} KiB`)
      return { figures: { ...found.figures, kills, residentKib: samples.at(-1).kib, kibPerHour: cycles >= TENS_WARM ? slope : 'after five minutes', descriptors: samples.at(-1).descriptors, moreDescriptors: more }, violations: found.violations }
    } finally {
      await Promise.all([living.kill(), mortal?.kill()])
      await receiver.stop()
    }
  },
}

function weigh(pid) {
  return { kib: Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]), descriptors: readdirSync(`/proc/${pid}/fd`).length }
}

/** Of the straight line that fits best. */
function slopeOf(samples) {
  const mean = (of) => samples.reduce((sum, each) => sum + of(each), 0) / samples.length
  const [x, y] = [mean(({ hours }) => hours), mean(({ kib }) => kib)]
  const spread = samples.reduce((sum, each) => sum + (each.hours - x) ** 2, 0)
  return spread === 0 ? 0 : samples.reduce((sum, each) => sum + (each.hours - x) * (each.kib - y), 0) / spread
}
