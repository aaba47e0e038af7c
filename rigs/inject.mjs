// G3: calls of the system fail, each at any moment of an application's life: while it opens the file, works, folds the log
// back, opens the file again after a failure, and closes it; once, a few times, or until the fault is taken away. Nothing that
// was acknowledged is lost, callers hear codes, a fault that lasts shows as `down` in health, and afterwards the same process
// works again without a hand.
//
// The calls fail in the C library (rigs/lib/faults.c), so that one process serves any number of faults: what a kernel does
// with the pages of a flush that failed is not modelled here, it is in `blockio`.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Journal, startApplication } from './lib/application.mjs'
import { check } from './lib/checker.mjs'
import { now } from './lib/clock.mjs'
import { statesOf, untilDelivered } from './lib/ending.mjs'
import { Board, buildFaults, FOR_EVER } from './lib/faults.mjs'
import { startIntegrity } from './lib/integrity.mjs'
import { startReceiver } from './lib/receiver.mjs'
import { need } from './lib/tools.mjs'

const FAULTS_A_ROUND = 24
/** Applications at the same time, each on a file of its own: most of the time they wait for what comes after a fault. */
const ABREAST = 6
const LANES = ['I-1', 'I-2', 'I-3']

/** What can be met while it works, and what takes a beginning or an end. */
const WORK = [['fdatasync', 'log'], ['fdatasync', 'log'], ['pwrite', 'log'], ['pwrite', 'log'], ['pwrite', 'main'], ['fdatasync', 'main'], ['ftruncate', 'main']]
const OPEN = [['open', 'main'], ['open', 'log'], ['open', 'shared'], ['open', 'other'], ['write', 'log'], ['write', 'other'], ['fsync', 'log'], ['fdatasync', 'log'], ['fdatasync', 'main'], ['pwrite', 'log'], ['pwrite', 'main'], ['pwrite', 'shared'], ['ftruncate', 'shared']]
const CLOSE = [['pwrite', 'main'], ['fdatasync', 'main'], ['fdatasync', 'log'], ['pwrite', 'log'], ['ftruncate', 'main']]

/** What a caller may hear of a failing disk. Nothing here damages a file, so nobody may say so. */
const CODES = new Set(['ERR_STORE_FAILED', 'ERR_DISK_FULL', 'ERR_STORE_BUSY', 'ERR_ENQUEUE_TIMEOUT', 'ERR_STOPPED', 'ERR_PATH_PERMISSION'])
/** After a failed call or an end, what was claimed before may still arrive: until the drivers have ended, and it has been read. */
const END_US_MAX = 1_000_000
const MEET_MS_MAX = 1_500
const DOWN_MS_MAX = 3_000
const HOLD_MS_MAX = 800
const RECOVER_MS_MAX = 20_000

export default {
  goal: 'G3',
  title: 'system calls that fail',
  unit: 'faults',
  cycles: 240,
  plants: {
    trusting: 'the applications take a rejection for a success',
    silent: 'writes to the log say that they wrote, and did not',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    need('cc', 'python3')
    const library = await buildFaults(folder)
    const integrity = startIntegrity()
    const totals = { enqueued: 0, met: 0, failedCalls: 0, lasting: 0, rejections: 0, repeats: 0 }
    const violations = []
    let left = cycles
    let rounds = 0
    const worker = async () => {
      while (left > 0 && !signal.aborted) {
        const faults = Math.min(FAULTS_A_ROUND, left)
        const round = rounds++
        left -= faults
        const found = await once({ faults, random: random.fork(), round, path: join(folder, `round-${round}`, 'outbox.db'), library, integrity, plant, signal })
        for (const name of Object.keys(totals)) totals[name] += found.figures[name]
        violations.push(...found.violations.map((words) => `round ${round}: ${words}`))
        for (const words of found.violations.slice(0, 5)) say(`round ${round}: ${words}`)
        say(`round ${round}: ${found.figures.met} of ${faults} faults met, ${violations.length} violations`)
      }
    }
    try {
      const ended = await Promise.allSettled(Array.from({ length: ABREAST }, worker))
      for (const { reason } of ended) if (reason !== undefined) throw reason
    } finally {
      await integrity.end()
    }
    return { figures: totals, violations }
  },
}

async function once({ faults, random, round, path, library, integrity, plant, signal }) {
  mkdirSync(dirname(path))
  const board = new Board(join(dirname(path), 'board'), library)
  const receiver = await startReceiver({ latency: () => (random.chance(0.3) ? random.between(0, 8) : 0) })
  const journal = new Journal()
  const config = { path, destinations: { rig: { url: receiver.url, retry: { scheduleMs: [20], jitter: 0 } } }, log: { level: 'warn' } }
  const load = { lanes: LANES, burst: 2, pauseMs: 30, bytes: random.pick([0, 3_000]), isTrusting: plant === 'trusting' }
  const start = (n) => startApplication({ name: `R${round}A${n}`, config, load, journal, env: board.env(path) })
  const scene = { board, config, random, signal, plant, violations: [], events: [], met: 0, lasting: 0 }
  let starts = 0
  scene.application = start(starts++)
  const codes = () => [...scene.application.codes].filter(([code]) => !CODES.has(code)).map(([code, times]) => `${times} calls were refused with ${code}`)
  const nothing = { enqueued: 0, failedCalls: 0, lasting: 0, rejections: 0, repeats: 0 }
  let rejections = 0
  const count = () => (rejections += [...scene.application.codes.values()].reduce((sum, times) => sum + times, 0))
  try {
    if (!(await scene.application.ready)) throw new Error(`the application did not start\n${scene.application.err}`)
    for (let n = 0; n < faults; n++) {
      signal.throwIfAborted()
      if (!(await episode(scene, `fault ${n}`))) return { figures: { ...nothing, met: scene.met }, violations: [...scene.violations, ...codes()] }
      if (random.chance(0.1)) {
        scene.violations.push(...codes())
        count()
        scene.events.push(now())
        await scene.application.kill()
        scene.application = start(starts++)
        await scene.application.ready
      }
    }
    await scene.application.quiet()
    await untilDelivered(scene.application, { signal })
    const states = await statesOf(scene.application)
    await scene.application.ask('stopOutbox')
    const damage = await integrity.damageOf(path)
    const found = check({ calls: journal.calls, arrivals: receiver.arrivals, states, events: [...scene.events, ...board.times()].map((at) => [at, at + END_US_MAX]) })
    count()
    return {
      figures: { ...found.figures, met: scene.met, failedCalls: board.failed(), lasting: scene.lasting, rejections },
      violations: [...scene.violations, ...codes(), ...found.violations, ...damage],
    }
  } finally {
    await scene.application.kill()
    await receiver.stop()
    board.close()
  }
}

/** One fault, and what comes after it; answers whether the outbox is in use again. */
async function episode(scene, name) {
  const { random, board } = scene
  const phase = random.pick(['work', 'work', 'work', 'again', 'open', 'close'])
  const fault = aFault(random, phase === 'open' || phase === 'again' ? OPEN : phase === 'close' ? CLOSE : WORK, scene.plant)
  const words = `${name} (${phase}: ${fault.call} ${fault.file} ${fault.error} after ${fault.after}, ${fault.times === FOR_EVER ? 'lasting' : `${fault.times} times`})`
  const before = board.failed()
  const ask = (...what) => scene.application.ask(...what)
  if (phase === 'work') {
    board.set([fault])
    if ((await met(board, before)) && fault.times === FOR_EVER) await lasting(scene, fault, words)
  } else if (phase === 'again') {
    // The first fault closes the file; the second waits for its opening.
    board.set([{ call: 'fdatasync', file: 'log', error: 'EIO' }, fault])
    if (await met(board, before)) await met(board, before + 1)
  } else if (phase === 'open') {
    await ask('stopOutbox')
    scene.events.push(now())
    board.set([fault])
    const { error } = await ask('startOutbox', scene.config)
    if (error !== undefined && !CODES.has(error)) scene.violations.push(`${words}: opening was refused with ${error}`)
    await met(board, before, 300)
  } else {
    board.set([fault])
    const { error } = await ask('stopOutbox')
    if (error !== undefined && !CODES.has(error)) scene.violations.push(`${words}: closing was refused with ${error}`)
    scene.events.push(now())
  }
  if (board.failed() > before) scene.met += 1
  board.clear()
  return recovered(scene, words)
}

function aFault(random, kinds, plant) {
  if (plant === 'silent') return { call: 'pwrite', file: 'log', error: 'silent', after: random.between(0, 10), times: 3 }
  const [call, file] = random.pick(kinds)
  const isWrite = call === 'pwrite' || call === 'write'
  const error = random.pick(isWrite ? ['EIO', 'ENOSPC', 'EINTR', 'half'] : call === 'open' ? ['EIO', 'ENOSPC', 'EINTR'] : ['EIO', 'EIO', 'ENOSPC'])
  // A call that is interrupted for ever, or that never does more than a half, is tried for ever, by anybody.
  const times = error === 'EINTR' || error === 'half' ? random.between(1, 3) : random.pick([1, 1, 2, 5, FOR_EVER, FOR_EVER])
  return { call, file, error, after: random.chance(0.5) ? 0 : random.between(0, 12), times }
}

/** Whether the fault was met in time. */
async function met(board, before, msMax = MEET_MS_MAX) {
  const until = performance.now() + msMax
  while (board.failed() <= before) {
    if (performance.now() > until) return false
    await delay(3)
  }
  return true
}

/** A disk that goes on failing is told by health, in the same process. A full one is told to callers, and is not down. */
async function lasting(scene, { error, call }, words) {
  if (error !== 'EIO' || call === 'ftruncate') return
  scene.lasting += 1
  const until = performance.now() + DOWN_MS_MAX
  for (;;) {
    const { value, error: code } = await scene.application.ask('getHealth')
    // Long enough for one or two openings that fail too; it stays down meanwhile.
    if (value?.status === 'down') return stillDown(scene, words)
    if (performance.now() > until) return scene.violations.push(`${words}: health says ${value?.status ?? code} after ${DOWN_MS_MAX / 1000} s`)
    await delay(10)
  }
}

async function stillDown({ application, random, violations }, words) {
  await delay(random.between(0, HOLD_MS_MAX))
  const { value, error } = await application.ask('getHealth')
  if (value?.status !== 'down') violations.push(`${words}: health said down, and says ${value?.status ?? error} while the fault lasts`)
}

/** Once the fault is over, the same process takes messages again, and says so. Answers whether it does. */
async function recovered(scene, words) {
  const until = performance.now() + RECOVER_MS_MAX
  let last
  for (;;) {
    scene.signal.throwIfAborted()
    last = await scene.application.ask('startOutbox', scene.config)
    if (last.error === undefined) last = await scene.application.ask('getHealth')
    if (last.error === 'GONE') throw new Error(`${words}: the application ended\n${scene.application.err}`)
    if (last.value !== undefined && last.value.status !== 'down') return true
    if (performance.now() > until) {
      scene.violations.push(`${words}: not in use again after ${RECOVER_MS_MAX / 1000} s: ${last.error ?? JSON.stringify(last.value.problems)}`)
      return false
    }
    await delay(10)
  }
}
