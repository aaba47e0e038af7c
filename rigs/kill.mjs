// G1: two to four applications on one file, one of them killed again and again, at any moment of its life.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Journal, startApplication } from './lib/application.mjs'
import { faultBuild } from './lib/build.mjs'
import { check } from './lib/checker.mjs'
import { now } from './lib/clock.mjs'
import { statesOf, untilDelivered } from './lib/ending.mjs'
import { startReceiver } from './lib/receiver.mjs'

/** Kills before everything is delivered and checked, and a new file begun. */
const KILLS_A_ROUND = 20
/** How much later the receiver may read what a sender had handed over. */
const LATE_US = 500_000
const LANES = Array.from({ length: 12 }, (_, n) => `K-${n}`)

/** Wrong behaviour inside the program, which its build with fail points has. */
const WRONG = {
  'skip-lane-check': 'the store gives out a second message of a lane while one is in flight',
  'resolve-before-commit': 'callers are told before the commit',
  'forget-claim': 'what is claimed is not on disk before it is sent',
  'forget-doubt': 'what was in flight is taken over without a doubt, and goes out again unmarked',
  'lead-of-the-living': 'an application takes the lead while another has it',
}

export default {
  goal: 'G1',
  title: 'SIGKILL of the applications of one file',
  unit: 'kills',
  cycles: 200,
  plants: {
    forget: 'an application says of every 50th message that it was stored, and never enqueues it',
    swap: 'the receiver notes now and then two neighbours in the wrong order',
    ...WRONG,
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    const totals = { enqueued: 0, arrived: 0, repeats: 0 }
    const violations = []
    const system = Object.hasOwn(WRONG, plant ?? '') ? { door: (await faultBuild({ say })).door, env: { FAILPOINTS: `plant-${plant}=return` } } : {}
    for (let done = 0, round = 0; done < cycles && !signal.aborted; round++) {
      const kills = Math.min(KILLS_A_ROUND, cycles - done)
      const found = await once({ kills, system, random: random.fork(), path: join(folder, `round-${round}`, 'outbox.db'), plant, round, signal }).catch((error) => {
        // What does not come to its end is found too; only an interruption is none of the application's.
        signal.throwIfAborted()
        return { figures: {}, violations: [error.message] }
      })
      for (const name of Object.keys(totals)) totals[name] += found.figures[name] ?? 0
      violations.push(...found.violations.map((words) => `round ${round}: ${words}`))
      done += kills
      if (done % 200 === 0 || done === cycles) say(`${done} kills, ${totals.enqueued} enqueued, ${totals.repeats} repeats, ${violations.length} violations`)
    }
    return { figures: totals, violations }
  },
}

async function once({ kills, system, random, path, plant, round, signal }) {
  mkdirSync(dirname(path))
  const receiver = await startReceiver({ latency: () => (random.chance(0.3) ? random.between(0, 8) : 0) })
  const journal = new Journal()
  const events = []
  const alive = []
  let started = 0
  const config = { path, destinations: { rig: { url: receiver.url, retry: { scheduleMs: [20], jitter: 0 } } }, log: { level: 'error' } }
  const start = () => alive.push(startApplication({ name: `R${round}A${started++}`, config, journal, load: { lanes: LANES, burst: 3, pauseMs: 40 }, ...system }))
  try {
    for (let n = random.between(2, 4); n > 0; n--) start()
    await alive[0].ready
    for (let n = 0; n < kills; n++) {
      signal.throwIfAborted()
      await delay(random.between(0, 250))
      // The oldest one mostly sends; half of the kills are meant for it.
      const [victim] = alive.splice(random.chance(0.5) ? 0 : random.between(0, alive.length - 1), 1)
      const killed = now()
      await victim.kill()
      // The last bytes of the dead may be read by the receiver only now.
      events.push([killed, now() + LATE_US])
      start()
    }
    await Promise.all(alive.map(async (application) => { await application.ready; await application.quiet() }))
    await untilDelivered(alive[0], { signal, ...(plant === 'forget-claim' ? { msMax: 10_000 } : {}) })
    const states = await statesOf(alive[0])
    if (plant === 'forget') [...journal.calls.values()].filter((_, n) => n % 50 === 49).forEach((call) => receiver.arrivals.splice(0, receiver.arrivals.length, ...receiver.arrivals.filter(({ control }) => control !== call.control)))
    if (plant === 'swap') swap(receiver.arrivals)
    return check({ calls: journal.calls, arrivals: receiver.arrivals, states, events })
  } finally {
    await Promise.all(alive.map((application) => application.kill()))
    await receiver.stop()
  }
}

function swap(arrivals) {
  for (let n = 0; n + 40 < arrivals.length; n += 40) {
    const other = arrivals.findIndex(({ lane, control }, m) => m > n && lane === arrivals[n].lane && control !== arrivals[n].control)
    if (other !== -1) [arrivals[n], arrivals[other]] = [arrivals[other], arrivals[n]]
  }
}
