// G9: recorded histories. Several processes make every kind of call on one file while they are stopped, killed, paused and started;
// what callers saw and what the receiver got is written down, and a checker that knows only that looks for an explanation.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { faultBuild } from './lib/build.mjs'
import { check } from './lib/history/checker.mjs'
import { play } from './lib/history/play.mjs'
import { Processes } from './lib/history/processes.mjs'
import { Receivers } from './lib/history/receiver.mjs'

const door = join(dirname(fileURLToPath(import.meta.url)), '..', 'index.mjs')
/** Played at the same time: each waits for timeouts and processes more than it works. */
const AT_ONCE = 3
const FAILURES_MAX = 20

/** Wrong behaviour inside the program, which its build with fail points has. */
const WRONG = {
  'skip-lane-check': 'the store gives out a second message of a lane while one is in flight',
  'forget-doubt': 'what was in flight is taken over without a doubt, and goes out again unmarked',
  'resolve-before-commit': 'callers are told before the commit, which dies with its process',
  'forget-cancel': 'a message is said to be cancelled and is not',
  'stale-read': 'every second question is answered from the state that the question before saw',
}

export default {
  goal: 'G9',
  title: 'recorded histories of several processes against a checker',
  unit: 'histories',
  cycles: 50,
  plants: WRONG,
  async run({ cycles, random, folder, plant, say, signal }) {
    const system = plant === undefined ? { door, env: {} } : { door: (await faultBuild({ say })).door, env: { FAILPOINTS: `plant-${plant}=return` } }
    const processes = new Processes({ ...system, spare: 2 * AT_ONCE })
    const receivers = new Receivers()
    const totals = { calls: 0, messages: 0, arrivals: 0, ends: 0 }
    const violations = []
    const next = Array.from({ length: cycles }, (_, n) => ({ n, random: random.fork() })).values()
    let done = 0
    const work = async () => {
      for (const history of next) {
        if (signal.aborted || violations.length >= FAILURES_MAX) return
        const place = join(folder, `history-${history.n}`)
        const lines = []
        await play({ ...history, path: join(place, 'outbox.db'), world: { processes, receivers, ...system }, lines, signal }).catch((error) => {
          // What does not come to its end is found too; only an interruption is nobody's fault.
          signal.throwIfAborted()
          lines.push({ kind: 'trouble', words: error.message })
        })
        const found = check(lines)
        for (const name of ['calls', 'messages', 'arrivals']) totals[name] += found.figures[name]
        totals.ends += lines.filter(({ kind }) => kind === 'end').length
        violations.push(...found.violations.map((words) => `history ${history.n}: ${words}`))
        if (found.violations.length === 0) rmSync(place, { recursive: true, force: true })
        else write(join(folder, `history-${history.n}.jsonl`), lines)
        done += 1
        if (done % 50 === 0) say(`${done} histories, ${totals.calls} calls, ${totals.arrivals} arrivals, ${violations.length} violations`)
      }
    }
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, work))
    } finally {
      await processes.end()
      await receivers.end()
    }
    return { figures: { ...totals, played: done }, violations }
  },
  /** Checks a history that was kept, again. */
  check: (file) => check(readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line))),
}

function write(file, lines) {
  writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`)
}
