// G4: the block device under ext4 fails: writes and flushes end with EIO, once, a few times, or until the fault is over. The
// kernel then drops pages that never reached the disk, and a later flush of the same file succeeds: only a disk that is cut
// off afterwards shows what is really on it. So each round ends in a power cut, and what was acknowledged before it is there.
//
// A journal that cannot be written makes the kernel turn the file system read-only: that ends with mounting it anew, and a
// new process. As long as it takes writes, the same process must be in use again.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { aftermath, destination, startReader } from './lib/aftermath.mjs'
import { Journal, startApplication } from './lib/application.mjs'
import { now } from './lib/clock.mjs'
import { Disk, DISK_TOOLS, LOSSES, makeImage, mountMemory } from './lib/disk.mjs'
import { startIntegrity } from './lib/integrity.mjs'
import { startReceiver } from './lib/receiver.mjs'
import { need, needRoot } from './lib/tools.mjs'

const FAULTS_A_ROUND = 4
const LANES = Array.from({ length: 5 }, (_, n) => `B-${n}`)
const EIO = 5
const FOR_EVER = 1e9
const CODES = new Set(['ERR_STORE_FAILED', 'ERR_DISK_FULL', 'ERR_STORE_BUSY', 'ERR_ENQUEUE_TIMEOUT', 'ERR_PATH_PERMISSION'])
const MEET_MS_MAX = 2_000
const DOWN_MS_MAX = 10_000
const HOLD_MS_MAX = 1_000
const RECOVER_MS_MAX = 20_000
/** Between a failure and the last that comes of it: the kernel tells of it at the next flush. */
const END_US_MAX = 1_000_000

export default {
  goal: 'G4',
  title: 'a block device that fails under ext4',
  unit: 'faults',
  cycles: 12,
  plants: {
    trusting: 'the applications take a rejection for a success',
    'lying-disk': 'before the cut at the end, the disk says that it has flushed, and has not',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    need(...DISK_TOOLS)
    needRoot()
    const memory = await mountMemory(join(folder, 'memory'), '512m')
    const totals = { enqueued: 0, met: 0, failedRequests: 0, readOnly: 0, inTheSameProcess: 0, rejections: 0, repeats: 0 }
    const violations = []
    const integrity = startIntegrity()
    let reader
    try {
      reader = await startReader(join(memory.at, 'scratch', 'outbox.db'))
      for (let done = 0, round = 0; done < cycles && !signal.aborted; round++) {
        const faults = Math.min(FAULTS_A_ROUND, cycles - done)
        const place = join(memory.at, `round-${round}`)
        mkdirSync(place)
        const found = await once({ faults, place, random: random.fork(), round, plant, reader, integrity, signal })
        for (const name of Object.keys(totals)) totals[name] += found.figures[name]
        for (const words of found.violations.slice(0, 5)) say(`round ${round}: ${words}`)
        violations.push(...found.violations.map((words) => `round ${round}: ${words}`))
        rmSync(place, { recursive: true })
        done += faults
        if (round % 10 === 9 || done >= cycles) say(`${done} faults, ${totals.met} met, ${totals.readOnly} turned it read-only, ${violations.length} violations`)
      }
    } finally {
      await reader?.kill()
      await integrity.end()
      await memory.unmount('-l')
    }
    return { figures: totals, violations }
  },
}

async function once({ faults, place, random, round, plant, reader, integrity, signal }) {
  const image = join(place, 'image')
  await makeImage(image)
  const disk = await Disk.start(place, image)
  const receiver = await startReceiver({ latency: () => (random.chance(0.3) ? random.between(0, 6) : 0) })
  const journal = new Journal()
  const scene = { disk, random, round, receiver, journal, plant, signal, applications: [], violations: [], ends: [], figures: { met: 0, readOnly: 0, inTheSameProcess: 0, rejections: 0 } }
  try {
    scene.path = join(await disk.mount(), 'outbox', 'outbox.db')
    mkdirSync(dirname(scene.path))
    await begin(scene)
    for (let n = 0; n < faults; n++) {
      signal.throwIfAborted()
      await delay(random.between(100, 400))
      if (!(await episode(scene, `fault ${n}`))) break
    }
    await delay(random.between(0, 300))
    const at = now()
    await scene.application.kill()
    const [{ kinds, times }, counts] = await Promise.all([disk.log(), disk.counts()])
    const index = times.findLastIndex((time) => time < at) + 1
    const after = join(place, 'after')
    await disk.unmount({ isLazy: true })
    await disk.cut({ index, loss: random.pick(LOSSES), seed: random.between(1, 1e9), isLying: plant === 'lying-disk', to: after })
    const events = [...scene.ends, ...counts.failedAt].map((time) => [time, time + END_US_MAX])
    const found = await aftermath({ image: after, at, log: { journal, arrivals: receiver.arrivals, events }, place, reader, integrity, signal })
    for (const { codes } of scene.applications) {
      for (const [code, times_] of codes) {
        scene.figures.rejections += times_
        if (!CODES.has(code)) scene.violations.push(`${times_} calls were refused with ${code}`)
      }
    }
    const figures = { ...scene.figures, enqueued: found.figures.enqueued, repeats: found.figures.repeats, failedRequests: counts.failed }
    return { figures, violations: [...scene.violations, ...found.violations.map((words) => `after the cut at ${index} of ${kinds.length}: ${words}`)] }
  } finally {
    await Promise.all(scene.applications.map((application) => application.kill()))
    await receiver.stop()
    await disk.end()
  }
}

async function begin(scene) {
  const { applications, round, plant, path, receiver, journal } = scene
  const application = startApplication({
    name: `R${round}A${applications.length}`,
    config: { path, destinations: destination(receiver.url), log: { level: 'warn' } },
    load: { lanes: LANES, burst: 2, pauseMs: 12, bytes: scene.random.pick([0, 3_000]), isTrusting: plant === 'trusting' },
    journal,
  })
  applications.push(application)
  scene.application = application
  if (!(await application.ready)) throw new Error(`the application did not start\n${application.err}`)
}

/** One fault and what comes of it; answers whether there is an application at work afterwards. */
async function episode(scene, name) {
  const { random, disk, figures, violations } = scene
  const fault = { kind: random.pick(['write', 'write', 'flush', 'flush']), after: random.between(0, 6), times: random.pick([1, 1, 3, FOR_EVER]), errno: EIO }
  const words = `${name} (${fault.kind} after ${fault.after}, ${fault.times === FOR_EVER ? 'lasting' : `${fault.times} times`})`
  const { failed } = await disk.counts()
  await disk.fail([{ ...fault }])
  if (!(await until(async () => (await disk.counts()).failed > failed, MEET_MS_MAX))) {
    await disk.fail([])
    return true
  }
  figures.met += 1
  if (fault.times === FOR_EVER) {
    const isDown = await until(async () => (await health(scene)) === 'down', DOWN_MS_MAX)
    if (!isDown) violations.push(`${words}: health says ${await health(scene)} after ${DOWN_MS_MAX / 1000} s`)
    // Long enough for one or two openings that fail too.
    await delay(random.between(0, HOLD_MS_MAX))
  }
  await disk.fail([])
  const isBack = async () => (await health(scene)) !== 'down' && (await takes(scene))
  if (await until(isBack, RECOVER_MS_MAX, isReadOnly)) {
    figures.inTheSameProcess += 1
    return true
  }
  if (!isReadOnly()) {
    violations.push(`${words}: not in use again after ${RECOVER_MS_MAX / 1000} s, and the file system takes writes`)
    return false
  }
  figures.readOnly += 1
  if (!(await until(async () => (await health(scene)) === 'down', DOWN_MS_MAX))) violations.push(`${words}: the file system is read-only, and health says ${await health(scene)}`)
  scene.ends.push(now())
  await scene.application.kill()
  await disk.unmount({ isLazy: true })
  await disk.mount()
  await begin(scene)
  return true

  function isReadOnly() {
    const mounted = dirname(dirname(scene.path))
    return readFileSync('/proc/mounts', 'utf8').split('\n').some((line) => line.split(' ')[1] === mounted && /(^|,)(emergency_)?ro(,|$)/.test(line.split(' ')[3]))
  }
}

async function health({ application }) {
  const { value, error } = await application.ask('getHealth')
  if (error === 'GONE') throw new Error(`the application ended\n${application.err}`)
  return value?.status ?? error
}

/** Whether anything was stored after now. */
async function takes({ journal }) {
  const stored = () => [...journal.calls.values()].filter(({ resolved }) => resolved !== null).length
  const before = stored()
  return until(() => stored() > before, 500)
}

async function until(holds, msMax, isOver = () => false) {
  const end = performance.now() + msMax
  for (;;) {
    if (await holds()) return true
    if (performance.now() > end || isOver()) return false
    await delay(10)
  }
}
