// G18: panics in exports, threads and callbacks, one after the other in applications that go on working; and listeners that
// throw. No process may end or hang, health must tell, and everything must come right.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'

import { faultBuild } from './lib/build.mjs'
import { Meeting } from './lib/meeting.mjs'
import { NEEDS, RARE, points } from './lib/points.mjs'
import { startScene } from './lib/scenes.mjs'

const door = join(dirname(fileURLToPath(import.meta.url)), 'lib', 'fault-door.mjs')

/** Panics of one process. */
const PANICS_A_PROCESS = 50
/** Applications at a time. */
const AT_ONCE = 4
/** How long a panic is waited for. */
const MET_MS_MAX = 6_000
/** How soon health tells of one that stops a thread. */
const TOLD_MS_MAX = 2_000

const running = [...points.keys()].filter((name) => !RARE.has(name) && NEEDS[name] === undefined)
/** Passed when the outbox is stopped, and when it is started. */
const stopping = ['stop-drain', 'stop-close', 'close-thread', 'registry-close', 'store-close']
const starting = ['registry-open', 'open-thread', 'store-open', 'outbox-start', 'readers-start', 'connection-open', 'store-migrate', 'lead-take', 'lead-recover', 'recover-apply', 'lead-begin']

/** A panic there ends more than one call: the writer's group, or the work of the dispatcher. */
const STOPS_A_THREAD = /^(commit-(begin|before|after)|group-gathered|driver-pass|claim-told|claim-handed-over|attempt-(ended|judge)|acknowledgement-judge|keeper-(round|watch))$/

export default {
  goal: 'G18',
  title: 'panics in exports, threads and callbacks of applications that go on',
  unit: 'panics',
  cycles: 200,
  plants: {
    abort: 'what should panic ends the process',
    'forget-claim': 'what is claimed is not on disk before it is sent',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    const build = await faultBuild({ say })
    const env = { RIG_DOOR: build.door, RIG_ADDON: build.addon, RUST_BACKTRACE: '0', ...(plant === 'forget-claim' ? { FAILPOINTS: 'plant-forget-claim=return' } : {}) }
    const totals = { points: 0, met: 0, told: 0, restarts: 0, enqueued: 0, arrived: 0, repeats: 0, changes: 0, processes: 0 }
    const seen = new Set()
    const violations = []
    let left = cycles
    let number = 0
    const work = async () => {
      while (left > 0 && !signal.aborted && violations.length < 20) {
        const count = Math.min(left, PANICS_A_PROCESS, Math.ceil(cycles / AT_ONCE))
        left -= count
        const path = join(folder, `${number++}`, 'outbox.db')
        mkdirSync(dirname(path))
        const found = await process({ count, path, env, random: random.fork(), way: plant === 'abort' ? 'kill' : 'panic', seen, signal })
        for (const [figure, value] of Object.entries(found.figures)) if (figure in totals) totals[figure] += value
        violations.push(...found.violations)
        if (number % 20 === 0) say(`${cycles - left} panics, ${totals.enqueued} enqueued, ${violations.length} violations`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    totals.points = seen.size
    return { figures: totals, violations }
  },
}

/** One application that goes on working through `count` panics. */
async function process({ count, path, env, random, way, seen, signal }) {
  const scene = await startScene('plain')
  const config = { path, destinations: { rig: { ...scene.destination, rateLimit: null, retry: { scheduleMs: [400], jitter: 0 } } }, log: { level: 'error' } }
  const run = new Meeting({ config, door, env, scene, way: 'panic', point: '' })
  const figures = { met: 0, told: 0, restarts: 0 }
  try {
    const application = run.start({})
    await application.ready
    void run.ask(application, 'consume')
    void run.ask(application, 'listen')
    for (let n = 0; n < count && run.violations.length === 0 && !application.hasEnded && !signal.aborted; n++) {
      const isRestart = random.chance(0.08)
      const point = isRestart ? random.pick([...stopping, ...starting]) : random.pick(running)
      Object.assign(run, { point, met: 0 })
      const before = (await run.ask(application, 'getHealth')).value?.status
      await run.ask(application, 'setFault', point, `1*return(${way})`)
      if (isRestart) {
        await run.ask(application, 'stopOutbox')
        await run.startAgain(application, config)
        figures.restarts += 1
      }
      await run.askAll(application, MET_MS_MAX)
      await run.ask(application, 'setFault', point, 'off')
      if (application.hasEnded) break
      if (run.met === 0) run.violations.push('was not met')
      else figures.met += 1
      if (before === 'ok' && STOPS_A_THREAD.test(point)) {
        if (await isTold(run, application)) figures.told += 1
        else run.violations.push('health does not tell')
      }
      seen.add(point)
    }
    await run.survivor(application, '')
    await run.quiet(application)
    await run.settled(application, signal)
    const verdict = await run.verdict(application)
    return { figures: { ...verdict.figures, ...figures }, violations: verdict.violations.map((words) => `after a panic at ${run.point}: ${words}`) }
  } catch (error) {
    return { figures, violations: [`after a panic at ${run.point}: ${error.message}`] }
  } finally {
    await run.end()
    await scene.stop()
  }
}

async function isTold(run, application) {
  const deadline = performance.now() + TOLD_MS_MAX
  while (performance.now() < deadline && !application.hasEnded) {
    if ((await run.ask(application, 'getHealth')).value?.status !== 'ok') return true
    await delay(5)
  }
  return false
}
