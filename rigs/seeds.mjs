// G7: the seeded tests of the whole core, on both sides of the store: random histories against a model, and simulations under
// random weather. A failure is run again from its seed.
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'

import { cargo } from './lib/build.mjs'

const HISTORIES = 'any_history_comes_to_what_the_promises_say'
const WEATHER = 'in_any_weather_the_receiver_sees_what_was_promised'
/** Seeds of one process: what a failure costs at most before it is told. */
const CHUNK = 500
/** A simulation takes as long as so many histories. */
const HISTORIES_A_SIMULATION = 100
const FAILURES_MAX = 10
/** The room that is set aside for the log saves flushes, of which there are none in memory: writing it is a quarter of a history. */
const UNRESERVED = 'store-reserve-grow=return(error)'

export default {
  goal: 'G7',
  title: 'seeds of the core: histories against a model, simulations under random weather',
  unit: 'seeds',
  cycles: 2_000,
  plants: {
    'skip-lane-check': 'the store gives out a second message of a lane while one is in flight',
    'forget-doubt': 'what was in flight is taken over without a doubt',
    'forget-claim': 'what is claimed is not in the file when it is sent',
  },
  async run({ cycles, random, plant, say, signal }) {
    // With fail points, of which none fails unless one is planted: one build serves all rigs.
    const built = await cargo(['test', '--quiet', '--no-run', '--profile', 'faults', '-p', 'outbox-testing', '--features', 'faults', '--test', 'histories', '--test', 'simulation', '--message-format', 'json'])
    const programs = new Map(built.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line)).filter((said) => said.executable != null).map((said) => [said.target.name, said.executable]))
    const first = random.between(0, 2 ** 31)
    const env = { FAILPOINTS: `${UNRESERVED}${plant === undefined ? '' : `;plant-${plant}=return`}` }
    const violations = []
    const chunks = []
    const simulations = Math.ceil(cycles / HISTORIES_A_SIMULATION)
    for (let n = 0; n < simulations; n += CHUNK / HISTORIES_A_SIMULATION) chunks.push({ program: programs.get('simulation'), test: `weather::${WEATHER}`, from: first + n, count: Math.min(CHUNK / HISTORIES_A_SIMULATION, simulations - n) })
    for (let n = 0; n < cycles; n += CHUNK) chunks.push({ program: programs.get('histories'), test: HISTORIES, from: first + n, count: Math.min(CHUNK, cycles - n) })
    const done = { histories: 0, simulations: 0 }
    const began = performance.now()
    const next = chunks.values()
    const work = async () => {
      for (const chunk of next) {
        if (signal.aborted || violations.length >= FAILURES_MAX) return
        const why = await passes(chunk, env, signal)
        if (why !== null) violations.push(why)
        done[chunk.test === HISTORIES ? 'histories' : 'simulations'] += chunk.count
        if (done.histories > 0 && done.histories % 50_000 === 0) say(`${done.histories} histories, ${done.simulations} simulations, ${violations.length} violations`)
      }
    }
    await Promise.all(Array.from({ length: availableParallelism() }, work))
    return { figures: { ...done, seedsASecond: Math.round((1_000 * (done.histories + done.simulations)) / (performance.now() - began)) }, violations }
  },
}

/** Null, or the first seed that failed and why. */
function passes({ program, test, from, count }, env, signal) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [test, '--exact', '--nocapture', '--test-threads', '1'], {
      env: { ...process.env, ...env, HL7_OUTBOX_SEED: String(from), HL7_OUTBOX_CASES: String(count), RUST_BACKTRACE: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
    })
    let said = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said = (said + chunk).slice(-200_000)))
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0 && said.includes('1 passed')) return resolve(null)
      const seed = /seed (\d+)( failed|:)/.exec(said)?.[1]
      const why = said.split('\n').find((line) => /^seed \d+/.test(line)) ?? said.split('\n').find((line) => /assert|panicked/.test(line)) ?? said.slice(-400)
      resolve(`${test}, seed ${seed ?? `${from} to ${from + count - 1}`}: ${why} (again: HL7_OUTBOX_SEED=${seed ?? from} cargo test -p outbox-testing ${test})`)
    })
  })
}
