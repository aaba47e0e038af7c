// G5: the disk gets full and free again, over and over, under an application that works. New messages are refused with
// ERR_DISK_FULL within a second, those that are stored go on leaving, and as soon as there is room the same process takes
// new ones again.
//
// What was stored within the last second is mostly in the log alone, and the file has still to grow for it. A disk that others
// fill at such a moment can hold up all deliveries until there is room: nothing is lost, and `stalled` counts it. In half of
// the fills the application has rested before; then deliveries must go on.
import { closeSync, mkdirSync, openSync, rmSync, statSync, truncateSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { Journal, startApplication } from './lib/application.mjs'
import { check } from './lib/checker.mjs'
import { makeImage, mountImage, mountMemory } from './lib/disk.mjs'
import { statesOf, untilDelivered } from './lib/ending.mjs'
import { startIntegrity } from './lib/integrity.mjs'
import { acknowledgement, startReceiver } from './lib/receiver.mjs'
import { need, needRoot } from './lib/tools.mjs'

/** Times that one file system gets full before another one is begun with: by turns one in memory, and an ext4. */
const FILLS_A_ROUND = 10
const DISK_BYTES = 48 << 20
const LANES = Array.from({ length: 8 }, (_, n) => `F-${n}`)
/** Messages that wait when the disk gets full. */
const BACKLOG = 30
const REFUSE_MS_MAX = 1_000
const DELIVER_MS_MAX = 10_000
const RECOVER_MS_MAX = 2_000
/** After so long without a commit the log is folded back (a second, and what that takes). */
const FOLDED_MS = 1_500
/** What is left free: nothing, a page or a few, or less than what the outbox keeps for those that are stored. */
const LEFT = [0, 0, 4 << 10, 64 << 10, 1 << 20, 4 << 20]

export default {
  goal: 'G5',
  title: 'a disk that gets full and free again',
  unit: 'fills',
  cycles: 20,
  plants: {
    trusting: 'the application takes a rejection for a success',
    stuck: 'the receiver stops answering when the disk is full',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    need('mkfs.ext4', 'mount', 'umount', 'python3')
    needRoot()
    const totals = { enqueued: 0, refused: 0, leftWhileFull: 0, stalled: 0, refuseMsMax: 0, recoverMsMax: 0, repeats: 0 }
    const violations = []
    const memory = await mountMemory(join(folder, 'memory'), `${DISK_BYTES + (8 << 20)}`)
    const integrity = startIntegrity()
    try {
      for (let done = 0, round = 0; done < cycles && !signal.aborted; round++) {
        const fills = Math.min(FILLS_A_ROUND, cycles - done)
        const disk = await emptyDisk(memory.at, round)
        try {
          const found = await once({ fills, random: random.fork(), round, disk, integrity, plant, signal })
          for (const name of Object.keys(totals)) totals[name] = name.endsWith('Max') ? Math.max(totals[name], found.figures[name]) : totals[name] + found.figures[name]
          violations.push(...found.violations.map((words) => `round ${round} (${disk.kind}): ${words}`))
        } finally {
          await disk.end()
        }
        done += fills
        say(`${done} fills, ${totals.leftWhileFull} messages left while it was full, ${violations.length} violations`)
      }
    } finally {
      await integrity.end()
      await memory.unmount('-l')
    }
    return { figures: totals, violations }
  },
}

async function emptyDisk(memory, round) {
  const at = join(memory, 'disk')
  if (round % 2 === 0) {
    const mounted = await mountMemory(at, DISK_BYTES)
    return { at, kind: 'tmpfs', end: () => mounted.unmount() }
  }
  const image = join(memory, 'image')
  await makeImage(image, DISK_BYTES)
  const mounted = await mountImage(image, at)
  return {
    at,
    kind: 'ext4',
    async end() {
      await mounted.unmount()
      rmSync(image)
    },
  }
}

/** Fills the file system until nothing fits, then gives `left` bytes back. */
function fill(file, left) {
  const ballast = openSync(file, 'a')
  for (let size = 1 << 20; size >= 512; ) {
    try {
      writeSync(ballast, Buffer.alloc(size, 1))
    } catch (error) {
      if (error.code !== 'ENOSPC') throw error
      size /= 2
    }
  }
  closeSync(ballast)
  if (left > 0) truncateSync(file, Math.max(0, statSync(file).size - left))
}

async function once({ fills, random, round, disk, integrity, plant, signal }) {
  let isHeld = false
  const waiting = []
  const hold = () => (isHeld = true)
  const letGo = () => {
    isHeld = false
    for (const answer of waiting.splice(0)) answer()
  }
  const receiver = await startReceiver({
    async answer({ control }) {
      if (isHeld) await new Promise((resolve) => waiting.push(resolve))
      return { status: 200, body: acknowledgement(control) }
    },
  })
  const journal = new Journal()
  const path = join(disk.at, 'outbox', 'outbox.db')
  mkdirSync(dirname(path))
  const config = { path, destinations: { rig: { url: receiver.url, retry: { scheduleMs: [20], jitter: 0 } } }, log: { level: 'error' } }
  const load = { lanes: LANES, burst: 2, pauseMs: 60, bytes: random.pick([0, 4_000]), isTrusting: plant === 'trusting' }
  const application = startApplication({ name: `R${round}A`, config, load, journal })
  const resolved = () => [...journal.calls.values()].filter((call) => call.resolved !== null)
  const arrived = () => new Set(receiver.arrivals.map(({ control }) => control))
  const violations = []
  const figures = { refused: 0, leftWhileFull: 0, stalled: 0, refuseMsMax: 0, recoverMsMax: 0 }
  /** Milliseconds until it holds, or null. */
  const until = async (holds, msMax) => {
    const began = performance.now()
    for (;;) {
      signal.throwIfAborted()
      if (holds()) return performance.now() - began
      if (performance.now() - began > msMax) return null
      await delay(5)
    }
  }
  try {
    if (!(await application.ready)) throw new Error(`the application did not start\n${application.err}`)
    for (let n = 0; n < fills; n++) {
      hold()
      if ((await until(() => resolved().length >= arrived().size + BACKLOG, DELIVER_MS_MAX)) === null) throw new Error(`no backlog came\n${application.err}`)
      const isSettled = n % 2 === 0
      if (isSettled) {
        await application.ask('rest', true)
        await delay(FOLDED_MS)
      }
      const ballast = join(disk.at, 'ballast')
      const refusals = application.codes.get('ERR_DISK_FULL') ?? 0
      fill(ballast, random.pick(LEFT))
      await application.ask('rest', false)
      const refusedMs = plant === 'trusting' ? await delay(500, 0) : await until(() => (application.codes.get('ERR_DISK_FULL') ?? 0) > refusals, REFUSE_MS_MAX)
      if (refusedMs === null) violations.push(`fill ${n}: no call was refused within ${REFUSE_MS_MAX / 1000} s`)
      else figures.refuseMsMax = Math.max(figures.refuseMsMax, Math.round(refusedMs))
      const stored = resolved().map(({ control }) => control)
      const before = arrived().size
      if (plant !== 'stuck') letGo()
      const leftMs = await until(() => {
        const there = arrived()
        return stored.every((control) => there.has(control))
      }, isSettled && plant === undefined ? DELIVER_MS_MAX : 1_000)
      if (leftMs === null && isSettled) violations.push(`fill ${n}: what was stored did not leave while the disk was full`)
      else if (leftMs === null) figures.stalled += 1
      figures.leftWhileFull += arrived().size - before
      letGo()
      const count = resolved().length
      rmSync(ballast)
      const recoveredMs = await until(() => resolved().length > count, RECOVER_MS_MAX)
      if (recoveredMs === null) violations.push(`fill ${n}: nothing was stored within ${RECOVER_MS_MAX / 1000} s after there was room`)
      else figures.recoverMsMax = Math.max(figures.recoverMsMax, Math.round(recoveredMs))
      // Those that were refused come all at once; the next fill waits for them.
      await until(() => arrived().size >= resolved().length, DELIVER_MS_MAX)
    }
    letGo()
    await application.quiet()
    if (plant === undefined) await untilDelivered(application, { signal })
    const states = await statesOf(application)
    await application.ask('stopOutbox')
    const damage = await integrity.damageOf(path)
    const strange = [...application.codes].filter(([code]) => code !== 'ERR_DISK_FULL').map(([code, times]) => `${times} calls were refused with ${code}`)
    figures.refused = application.codes.get('ERR_DISK_FULL') ?? 0
    const found = check({ calls: journal.calls, arrivals: receiver.arrivals, states })
    return { figures: { ...found.figures, ...figures }, violations: [...violations, ...strange, ...found.violations, ...damage] }
  } finally {
    letGo()
    await application.kill()
    await receiver.stop()
  }
}
