// G13: the sender is stopped, or killed, or the wall clock jumps by a day, while two processes share one file. Nobody takes over from
// a stopped one, a dead one is replaced at once, and nothing waits longer than its own delay. Linux: SIGSTOP and libfaketime.
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Journal, startApplication } from './lib/application.mjs'
import { check } from './lib/checker.mjs'
import { now } from './lib/clock.mjs'
import { statesOf, untilDelivered } from './lib/ending.mjs'
import { acknowledgement, startReceiver } from './lib/receiver.mjs'

const LANES = Array.from({ length: 8 }, (_, n) => `Z-${n}`)
/** The delay before another attempt. */
const RETRY_MS = 1_000
/** What was on its way when the sender was stopped may still be read by the receiver. */
const UNDER_WAY_US = 300_000
/** Beyond its own delay: the clocks are compared once a second, and the machine is busy. */
const LATE_MS_MAX = 3_000
const TAKEOVER_GOAL_MS = 1_000
const TAKEOVER_MS_MAX = 4_000
const DAYS = [0, 1, -1]
const KINDS = ['stop', 'stop', 'kill', 'jump']

export default {
  goal: 'G13',
  title: 'SIGSTOP and death of the sender, and a wall clock that jumps by a day',
  unit: 'episodes',
  cycles: 20,
  plants: { usurp: 'a second sender does not know that the first is only stopped: it is killed and says nothing of it' },
  async run({ cycles, random, folder, plant, say, signal }) {
    const library = faketime()
    const clock = join(folder, 'clock')
    writeFileSync(clock, '+0\n')
    const env = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_DONT_FAKE_MONOTONIC: '1', FAKETIME_NO_CACHE: '1' }
    const receiver = await startReceiver({
      latency: () => random.between(0, 20),
      answer(arrival) {
        // Few of many, so that it is the messages' own and not an outage.
        arrival.again = !seen.has(arrival.control) && random.chance(0.05)
        seen.add(arrival.control)
        return arrival.again ? { status: 500, body: '' } : { status: 200, body: acknowledgement(arrival.control) }
      },
    })
    const seen = new Set()
    const journal = new Journal()
    const config = { path: join(folder, 'outbox.db'), destinations: { rig: { url: receiver.url, retry: { scheduleMs: [RETRY_MS], jitter: 0 } } }, log: { level: 'error' } }
    let started = 0
    const start = async () => {
      const application = startApplication({ name: `P${started++}`, config, journal, env, load: { lanes: LANES, burst: 2, pauseMs: 200 } })
      alive.push(application)
      if (!(await application.ready)) throw new Error(`an application did not start\n${application.err}`)
    }
    const alive = []
    const events = []
    const violations = []
    const figures = { stops: 0, kills: 0, jumps: 0, takeoverMsMax: 0, lateMsMax: 0 }
    const sender = async (of = alive[0]) => {
      for (const deadline = performance.now() + 20_000; performance.now() < deadline; await delay(20, undefined, { signal })) {
        const { value } = await of.ask('getHealth')
        const found = alive.find(({ pid }) => pid === value?.dispatcher?.pid)
        if (found !== undefined) return found
      }
      throw new Error('nobody sends')
    }
    try {
      await start()
      await start()
      for (let n = 0; n < cycles; n++) {
        await delay(random.between(50, 400), undefined, { signal })
        const kind = plant === 'usurp' ? 'stop' : n < 4 ? KINDS[n] : random.pick(KINDS)
        const leads = await sender()
        const standby = alive.find((application) => application !== leads)
        if (kind === 'jump') {
          figures.jumps += 1
          const days = DAYS[(figures.jumps % 2) * random.between(1, 2)]
          writeFileSync(clock, `${days < 0 ? '' : '+'}${days}d\n`)
          await untilDated(alive[0], days, signal)
        } else if (kind === 'stop') {
          figures.stops += 1
          const from = now()
          if (plant === 'usurp') await leads.kill()
          else leads.child.kill('SIGSTOP')
          await delay(random.between(500, 1_500), undefined, { signal })
          const sent = receiver.arrivals.find(({ at }) => at > from + UNDER_WAY_US && at < now())
          if (sent !== undefined) violations.push(`${sent.control} was sent while the sender stood still`)
          const { value } = await standby.ask('getHealth')
          if (value !== undefined && value.dispatcher?.pid !== leads.pid) violations.push('somebody took over from a sender that was only stopped')
          if (plant === 'usurp') await replace(leads)
          else leads.child.kill('SIGCONT')
        } else {
          figures.kills += 1
          const from = now()
          await leads.kill()
          // What it had handed over may lie unread at the receiver for a moment.
          events.push([from, Math.max(now(), from + UNDER_WAY_US)])
          const next = await eventually(() => receiver.arrivals.find(({ at }) => at > from + 20_000), signal)
          const ms = Math.round((next.at - from) / 1_000)
          figures.takeoverMsMax = Math.max(figures.takeoverMsMax, ms)
          if (ms > TAKEOVER_MS_MAX) violations.push(`a dead sender was replaced after ${ms} ms`)
          await replace(leads)
        }
      }
      await Promise.all(alive.map((application) => application.quiet()))
      await untilDelivered(alive[0], { signal })
      for (const ms of delays(receiver.arrivals)) figures.lateMsMax = Math.max(figures.lateMsMax, ms - RETRY_MS)
      if (figures.jumps > 0 && figures.lateMsMax > LATE_MS_MAX + 1_500) violations.push(`a message waited ${figures.lateMsMax} ms longer than its own delay`)
      const found = check({ calls: journal.calls, arrivals: receiver.arrivals, states: await statesOf(alive[0]), events })
      say(`${figures.stops} stops, ${figures.kills} kills, ${figures.jumps} jumps`)
      return { figures: { ...found.figures, ...figures, goal: figures.takeoverMsMax <= TAKEOVER_GOAL_MS ? 'met' : 'missed' }, violations: [...violations, ...found.violations] }
    } finally {
      for (const application of alive) await application.kill()
      await receiver.stop()
    }

    async function replace(dead) {
      alive.splice(alive.indexOf(dead), 1)
      await start()
    }
  },
}

/** How long each message that was asked for again took to come again. A stop may lie in between. */
function delays(arrivals) {
  const asked = new Map()
  const found = []
  for (const { control, at, again } of arrivals) {
    if (asked.has(control)) found.push(Math.round((at - asked.get(control)) / 1_000))
    asked.delete(control)
    if (again) asked.set(control, at)
  }
  return found
}

/** What is stored from now on is dated by the clock as it is set; else nothing was tried. */
async function untilDated(application, days, signal) {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; await delay(20, undefined, { signal })) {
    const { value } = await application.ask('listMessages', { limit: 1 })
    if (value?.items.length === 1 && Math.round((Date.parse(value.items[0].createdAt) - Date.now()) / 86_400_000) === days) return
  }
  throw new Error('the clock of the applications did not jump')
}

async function eventually(look, signal) {
  for (const deadline = performance.now() + 20_000; performance.now() < deadline; await delay(5, undefined, { signal })) {
    const found = look()
    if (found !== undefined) return found
  }
  throw new Error('nothing arrives any more')
}

function faketime() {
  for (const triple of process.platform === 'linux' ? readdirSync('/usr/lib') : []) {
    try {
      if (readdirSync(join('/usr/lib', triple, 'faketime')).includes('libfaketimeMT.so.1')) return join('/usr/lib', triple, 'faketime', 'libfaketimeMT.so.1')
    } catch {
      // Not a folder of libraries.
    }
  }
  throw Object.assign(new Error('the rig pause needs libfaketime'), { hint: 'Debian: apt-get install faketime' })
}
