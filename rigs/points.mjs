// G6: at each fail point, in each way: an application under load meets the fault, and afterwards everything must come right.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { faultBuild } from './lib/build.mjs'
import { meet } from './lib/meeting.mjs'
import { NEEDS, actions, cases, points } from './lib/points.mjs'

/** Applications at a time. They mostly wait. */
const AT_ONCE = 5
const door = join(dirname(fileURLToPath(import.meta.url)), 'lib', 'fault-door.mjs')

export default {
  goal: 'G6',
  title: 'named fail points, each failing in each way',
  unit: 'faults',
  cycles: points.size,
  plants: {
    'forget-doubt': 'what was in flight is taken over without a doubt, and goes out again unmarked',
    'resolve-before-commit': 'callers are told before the commit',
  },
  async run({ cycles, random, folder, plant, say, signal }) {
    const build = await faultBuild({ say })
    const env = { RIG_DOOR: build.door, RIG_ADDON: build.addon, RUST_BACKTRACE: '0' }
    const chosen = choose(cycles, random, plant)
    const totals = { points: new Set(chosen.map(({ point }) => point)).size, enqueued: 0, arrived: 0, repeats: 0, changes: 0, health: 0, processes: 0 }
    const ways = {}
    const violations = []
    let done = 0
    const next = chosen.entries()
    const work = async () => {
      for (const [n, fault] of next) {
        if (signal.aborted) return
        const path = join(folder, `${n}-${fault.point}`, 'outbox.db')
        mkdirSync(dirname(path))
        const planted = plant === undefined ? '' : `;plant-${plant}=return`
        const failpoints = `${fault.point}=${actions(fault, random.between(1, 8))}${also(fault)}${planted}`
        const name = `${fault.point}, ${fault.way}, ${fault.when}`
        try {
          const met = await meet({ ...fault, failpoints, planted, scene: NEEDS[fault.point]?.scene ?? 'plain', path, door, env, signal })
          for (const figure of Object.keys(totals).slice(1)) totals[figure] += met.figures[figure]
          violations.push(...met.violations.map((words) => `${name}: ${words}`))
        } catch (error) {
          violations.push(`${name}: ${error.message}`)
        }
        ways[fault.way] = (ways[fault.way] ?? 0) + 1
        if (++done % 100 === 0 || done === chosen.length) say(`${done} faults, ${totals.enqueued} enqueued, ${totals.repeats} repeats, ${violations.length} violations`)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    return { figures: { ...totals, ways }, violations }
  },
}

const also = ({ point }) => (NEEDS[point]?.also === undefined ? '' : `;${NEEDS[point].also}`)

/** Every point once before any comes twice. */
function choose(count, random, plant) {
  // What was planted is only seen when the process ends in the middle of its work.
  const all = cases().filter(({ point, way }) => plant === undefined || (way === 'kill' && /^(claim|attempt|commit|http-(last|answer))/.test(point)))
  const shuffled = all.map((fault) => ({ fault, at: random.unit() })).sort((one, other) => one.at - other.at)
  const seen = new Map()
  const turns = shuffled.map(({ fault, at }) => {
    const turn = seen.get(fault.point) ?? 0
    seen.set(fault.point, turn + 1)
    return { fault, at: turn + at }
  })
  return turns.sort((one, other) => one.at - other.at).slice(0, count).map(({ fault }) => fault)
}
