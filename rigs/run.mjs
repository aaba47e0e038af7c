// `npm run rig -- NAME [--cycles N] [--seed S] [--plant FAULT]`: does harm to a real outbox, again and again, and checks from
// outside what became of it. A run ends with code 0 if every promise held. `npm run rig -- --list` says what there is.
// `npm run rig -- history --check FILE` checks a history again that a run has kept.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { complain, note, result, step } from '../scripts/lib/terminal.mjs'
import { prepare, whyOutdated } from '../scripts/prepare.mjs'
import { Random } from './lib/random.mjs'

const here = dirname(fileURLToPath(import.meta.url))

/** The names of all rigs. */
export const names = readdirSync(here).filter((file) => file.endsWith('.mjs') && file !== 'run.mjs').map((file) => file.slice(0, -4)).sort()

/**
 * Runs one rig; resolves with `{ cycles, seed, plant, figures, violations, ms }`. A rig is a module whose default export has
 * `goal`, `title`, `unit`, `cycles` (the small count), `plants` (faults that it must find, by name) and
 * `run({ cycles, random, folder, plant, say, signal })`, which resolves with `{ figures, violations }`; and, if it keeps what it
 * recorded, `check(file)`, which answers the same.
 */
export async function run(name, { cycles, seed = Date.now() % 1e9, plant, say = () => undefined, keep = false } = {}) {
  if (!names.includes(name)) throw Object.assign(new Error(`there is no rig \`${name}\``), { hint: `there are ${names.join(', ')}` })
  const { default: rig } = await import(`./${name}.mjs`)
  if (plant !== undefined && !Object.hasOwn(rig.plants, plant)) {
    throw Object.assign(new Error(`the rig ${name} has no fault \`${plant}\` to plant`), { hint: `it has ${Object.keys(rig.plants).join(', ') || 'none'}` })
  }
  const count = cycles ?? rig.cycles
  const folder = mkdtempSync(join(tmpdir(), `hl7-outbox-rig-${name}-`))
  const stop = new AbortController()
  const interrupt = () => stop.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt)
  const began = performance.now()
  let isKept = keep
  try {
    const { figures, violations } = await rig.run({ cycles: count, random: new Random(seed), folder, plant, say, signal: stop.signal })
    isKept ||= violations.length > 0 && plant === undefined
    if (isKept) say(`the files of the run: ${folder}`)
    return { rig: name, goal: rig.goal, unit: rig.unit, cycles: count, seed, plant: plant ?? null, figures, violations, ms: Math.round(performance.now() - began) }
  } finally {
    process.removeListener('SIGINT', interrupt)
    if (!isKept) rmSync(folder, { recursive: true, force: true })
  }
}

/** One line for a person. */
export function summary({ rig, cycles, unit, seed, plant, figures, violations, ms }) {
  const words = Object.entries(figures).map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
  const planted = plant === null ? '' : `, planted ${plant}`
  return `${rig}: ${cycles} ${unit}, seed ${seed}${planted}; ${words.join(', ')}; ${violations.length} violations; ${(ms / 1000).toFixed(1)} s`
}

function count(text, option) {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text)) throw Object.assign(new Error(`\`--${option}\` takes a whole number from 1`), { hint: 'npm run rig -- --list' })
  return Number(text)
}

/** Looks again at what a run has kept, with the checker as it is now; needs no outbox. */
async function checkAgain(rigs, file) {
  const { default: rig } = rigs.length === 1 && names.includes(rigs[0]) ? await import(`./${rigs[0]}.mjs`) : { default: {} }
  if (rig.check === undefined) throw Object.assign(new Error('`--check` takes one rig that keeps what it recorded'), { hint: 'npm run rig -- history --check FILE' })
  const { figures, violations } = rig.check(file)
  for (const violation of violations) note(`violation: ${violation}`)
  result(`${rigs[0]}: ${Object.entries(figures).map(([name, value]) => `${name} ${value}`).join(', ')}; ${violations.length} violations`)
  if (violations.length > 0) process.exitCode = 1
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { cycles: { type: 'string' }, seed: { type: 'string' }, plant: { type: 'string' }, list: { type: 'boolean' }, keep: { type: 'boolean' }, check: { type: 'string' } },
  })
  if (values.list || positionals.length === 0) {
    for (const name of names) {
      const { default: rig } = await import(`./${name}.mjs`)
      result(`${name.padEnd(12)} ${rig.goal.padEnd(4)} ${rig.title} (${rig.cycles} ${rig.unit})`)
      for (const [fault, words] of Object.entries(rig.plants)) result(`${' '.repeat(18)}--plant ${fault}: ${words}`)
    }
    return
  }
  if (values.check !== undefined) return checkAgain(positionals, values.check)
  const why = whyOutdated()
  if (why) {
    note(`${why}: it is built first`)
    await prepare()
  }
  for (const name of positionals) {
    step(`Rig ${name}`)
    const outcome = await run(name, { cycles: count(values.cycles, 'cycles'), seed: count(values.seed, 'seed'), plant: values.plant, keep: values.keep, say: note })
    for (const violation of outcome.violations.slice(0, 20)) note(`violation: ${violation}`)
    result(summary(outcome))
    mkdirSync(join(here, 'results'), { recursive: true })
    writeFileSync(join(here, 'results', `${name}-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`), `${JSON.stringify(outcome, null, 2)}\n`)
    if (outcome.violations.length > 0) process.exitCode = 1
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error) => {
    complain(error)
    process.exitCode = 1
  })
}
