// G2: power cuts. Applications work on an ext4 on a disk of ours that notes every write and every flush. Afterwards the power
// is cut at any of these moments: what was flushed before is there, and of the rest all, nothing, the newest, any writes or
// any sectors of any writes are gone. Then the file system is mounted (its journal is played back), the outbox opened, and
// everything delivered.
//
// What is modelled: the kernel's page cache dies with the machine, and a disk with a volatile cache that writes in any order
// and sectors (512 bytes) as a whole. What is not: a disk that lies about its flushes, which is planted (`lying-disk`), and
// one that loses what it has kept. A log of one second of work gives as many moments to cut at as there were requests, so
// this finds what a machine that is really switched off meets once in many thousand times; `machine` is that machine.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { aftermath, destination, startReader } from './lib/aftermath.mjs'
import { Journal, startApplication } from './lib/application.mjs'
import { now } from './lib/clock.mjs'
import { Disk, DISK_TOOLS, LOSSES, makeImage, mountMemory } from './lib/disk.mjs'
import { startIntegrity } from './lib/integrity.mjs'
import { startReceiver } from './lib/receiver.mjs'
import { eatMyData, need, needRoot } from './lib/tools.mjs'

/** Cuts of one log before work begins anew on an empty disk. */
const CUTS_A_ROUND = 30
/** About so many requests there are until the file has its first tables. */
const REQUESTS_OF_CREATION = 60
/** Between the end of a sender and the reading of its last message here. */
const READ_US_MAX = 500_000
const LANES = Array.from({ length: 5 }, (_, n) => `W-${n}`)

export default {
  goal: 'G2',
  title: 'power cuts, with all that was not flushed at the mercy of the disk',
  unit: 'cuts',
  cycles: 30,
  plants: {
    'no-flush': 'libeatmydata under the applications: their flushes do nothing',
    'lying-disk': 'the disk says that it has flushed, and has not',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    need(...DISK_TOOLS)
    needRoot()
    const env = plant === 'no-flush' ? { LD_PRELOAD: eatMyData() } : {}
    const memory = await mountMemory(join(folder, 'memory'), '512m')
    const totals = { enqueued: 0, checked: 0, writes: 0, flushes: 0, sectorsLost: 0, repeats: 0 }
    const violations = []
    const integrity = startIntegrity()
    let reader
    let cutsDone = 0
    try {
      reader = await startReader(join(memory.at, 'scratch', 'outbox.db'))
      for (let done = 0, round = 0; done < cycles && !signal.aborted; round++) {
        const cuts = Math.min(CUTS_A_ROUND, cycles - done)
        const place = join(memory.at, `round-${round}`)
        mkdirSync(place)
        const log = await work({ place, random: random.fork(), round, env })
        try {
          totals.enqueued += [...log.journal.calls.values()].filter(({ resolved }) => resolved !== null).length
          const { writes, flushes } = log
          totals.writes += writes
          totals.flushes += flushes
          const moments = Array.from({ length: cuts }, () => moment(log, random)).sort((a, b) => a.at - b.at)
          for (const { index, at } of moments) {
            signal.throwIfAborted()
            const loss = LOSSES[cutsDone++ % LOSSES.length]
            const found = await cut({ log, index, at, loss, seed: random.between(1, 1e9), isLying: plant === 'lying-disk', place, reader, integrity, signal })
            totals.checked += found.figures.enqueued
            totals.sectorsLost += found.lost
            totals.repeats += found.figures.repeats
            for (const words of found.violations.slice(0, 3)) say(`round ${round}, cut at ${index} (${loss}): ${words}`)
            violations.push(...found.violations.map((words) => `round ${round}, cut at ${index} of ${log.times.length} (${loss}): ${words}`))
          }
        } finally {
          await log.disk.end()
          rmSync(place, { recursive: true })
        }
        done += cuts
        if (done % 300 === 0 || done >= cycles) say(`${done} cuts, ${totals.checked} messages looked for, ${totals.sectorsLost} sectors lost, ${violations.length} violations`)
      }
    } finally {
      await reader?.kill()
      await integrity.end()
      await memory.unmount('-l')
    }
    return { figures: totals, violations }
  },
}

/** One second or so of work on a disk of its own, with an end and a new beginning in it; answers what there is to cut. */
async function work({ place, random, round, env }) {
  const image = join(place, 'image')
  await makeImage(image)
  const disk = await Disk.start(place, image)
  const receiver = await startReceiver({ latency: () => (random.chance(0.3) ? random.between(0, 6) : 0) })
  const journal = new Journal()
  const events = []
  const alive = []
  try {
    const path = join(await disk.mount(), 'outbox', 'outbox.db')
    mkdirSync(dirname(path))
    const load = { lanes: LANES, burst: 2, pauseMs: random.between(2, 12), bytes: random.pick([0, 0, 2_000, 20_000]) }
    for (let n = 0; n < 2; n++) {
      const application = startApplication({ name: `R${round}A${n}`, config: { path, destinations: destination(receiver.url), log: { level: 'error' } }, load, journal, env })
      alive.push(application)
      if (!(await application.ready)) throw new Error(`the application did not start\n${application.err}`)
      await delay(random.between(100, 400))
      if (random.chance(0.5)) await application.ask('stopOutbox')
      const from = now()
      await application.kill()
      // What it had sent may be read here a little later than it ended.
      events.push([from, now() + READ_US_MAX])
    }
    const ended = now()
    const { kinds, times } = await disk.log()
    await disk.unmount({ isLazy: true })
    const flushes = kinds.filter((kind) => kind === 'flush').length
    return { disk, journal, arrivals: receiver.arrivals, events, kinds, times: times.filter((time) => time < ended), ended, writes: kinds.length - flushes, flushes }
  } catch (error) {
    await disk.end()
    throw error
  } finally {
    await Promise.all(alive.map((application) => application.kill()))
    await receiver.stop()
  }
}

/**
 * When the power fails, and how many requests came before: at any time, just before any request, just before a flush, which is
 * when most is at stake, or while the file is created.
 */
function moment({ kinds, times, ended }, random) {
  const flushes = times.flatMap((_, index) => (kinds[index] === 'flush' ? [index] : []))
  const before = random.pick([null, random.between(1, times.length), random.pick(flushes), random.between(1, Math.min(times.length, REQUESTS_OF_CREATION))])
  const at = before === null ? random.between(times[0] + 1, ended) : (times[before] ?? ended)
  return { index: times.findLastIndex((time) => time < at) + 1, at }
}

/** What is left of a cut behind the first `index` requests, and what the outbox makes of it. */
async function cut({ log, index, at, loss, seed, isLying, place, reader, integrity, signal }) {
  const image = join(place, 'after')
  const { lost } = await log.disk.cut({ index, loss, seed, isLying, to: image })
  const found = await aftermath({ image, at, log, place, reader, integrity, signal })
  return { ...found, lost }
}
