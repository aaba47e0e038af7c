// Runs one round of one measurement in a process of its own and in a folder of its own, which is deleted afterwards.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const program = join(dirname(fileURLToPath(import.meta.url)), '..', 'measure.mjs')
const ROUND_MS_MAX = 180_000
const LOOKS_MAX = 20
const LOOK_MS = 200
const QUIET_SHARE = 0.1

/** Under the project, so that both sides write to its file system and not to a /tmp that may be memory. */
export const folder = join(dirname(program), 'tmp')

/** Processor time that the machine has spent so far, in ms. */
const busyMs = () => cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0)

/** Waits until others leave the machine alone, but not for long: a burst of theirs is over in seconds, a build is not. */
async function quiet() {
  for (let n = 0; n < LOOKS_MAX; n++) {
    const before = busyMs()
    await sleep(LOOK_MS)
    if (busyMs() - before < LOOK_MS * cpus().length * QUIET_SHARE) return
  }
}

/** `othersShare` of the answer says how much of the machine was not the round's own: noise, or the receiver of a delivery. */
export async function round(who, what, { roundMsMax = ROUND_MS_MAX, ...options }) {
  mkdirSync(folder, { recursive: true })
  const own = mkdtempSync(join(folder, `${who}-`))
  await quiet()
  const [began, busy] = [performance.now(), busyMs()]
  try {
    const child = promisify(execFile)(process.execPath, ['--expose-gc', program, who, what, JSON.stringify({ folder: own, ...options })], {
      maxBuffer: 64 << 20,
      timeout: roundMsMax,
      killSignal: 'SIGKILL',
    })
    const measured = JSON.parse((await child).stdout)
    const machineMs = (performance.now() - began) * cpus().length
    return { ...measured, othersShare: Math.max(0, (busyMs() - busy - measured.processMs) / machineMs) }
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
}

/**
 * `rounds` rounds of each measurement, one after another in turn, so that a change of the machine's mood meets all of them.
 * `all` is `{ name: [who, what, options] }`; the answer has the rounds of each by its name.
 */
export async function interleaved(rounds, all) {
  const results = Object.fromEntries(Object.keys(all).map((name) => [name, []]))
  for (let n = 0; n < rounds; n++) {
    // Every other round backwards, so that nobody always comes after the same neighbour.
    const turn = Object.entries(all)
    for (const [name, [who, what, options]] of n % 2 === 0 ? turn : turn.reverse()) results[name].push(await round(who, what, options))
  }
  return results
}
