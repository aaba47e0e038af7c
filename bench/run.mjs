// `npm run bench [-- --quick] [-- --part NAME]`: measures hl7-outbox and its peers side by side, in one run, round by round
// in turn. The figures are a report, not a test: a goal that is not reached is printed, and the exit code stays 0.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { complain, note, result, step } from '../scripts/lib/terminal.mjs'
import { npm, prepare, root, whyOutdated } from '../scripts/prepare.mjs'
import { median, table } from './lib/figures.mjs'
import { describe, machine } from './lib/machine.mjs'
import { parts } from './lib/parts.mjs'
import { folder } from './lib/rounds.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const HEADING = ['work', 'ours', 'peer', 'ratio', 'goal', 'reached']
/** Only when they are asked for. */
const LONG = new Set(['bulk'])
const FULL = { rounds: 7, scale: 1 }
const QUICK = { rounds: 3, scale: 0.25 }

try {
  await bench(options())
} catch (error) {
  complain(error)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function options() {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean' }, part: { type: 'string', multiple: true }, rounds: { type: 'string' }, 'no-prepare': { type: 'boolean' } },
  })
  const chosen = values.part ?? Object.keys(parts).filter((name) => !LONG.has(name))
  for (const name of chosen) {
    if (!Object.hasOwn(parts, name)) throw Object.assign(new Error(`there is no part \`${name}\``), { hint: `--part takes ${Object.keys(parts).join(', ')}` })
  }
  const size = values.quick ? { ...QUICK } : { ...FULL }
  if (values.rounds !== undefined) {
    if (!/^[1-9]\d?$/.test(values.rounds)) throw Object.assign(new Error('`--rounds` takes a number'), { hint: '1 to 99' })
    size.rounds = Number(values.rounds)
  }
  return { chosen, size, asIs: values['no-prepare'] === true }
}

async function bench({ chosen, size, asIs }) {
  if (!asIs) {
    await prepare()
    await installPeers()
  }
  settle()
  mkdirSync(folder, { recursive: true })
  const on = machine(folder)
  step('Measuring')
  for (const line of describe(on, relative(root, folder)).split('\n')) note(line)
  if (on.fileSystem === 'tmpfs') note('WARNING: a file system in memory: flushes cost nothing here, so no figure of enqueue means anything')
  const [rows, raw] = [[HEADING], {}]
  for (const name of chosen) {
    note(`${name}: ${size.rounds} rounds`)
    const measured = await parts[name](size)
    rows.push(...measured.rows)
    raw[name] = measured.raw
  }
  result()
  result(describe(on, relative(root, folder)))
  result(`median (least … most) of ${size.rounds} interleaved rounds; messages of 1.6 KB; ${others(raw)}`)
  result()
  result(table(rows))
  const path = save({ machine: on, size, table: rows, raw })
  note(`every round: ${relative(root, path)}`)
}

/** A build leaves pages to be written, which would meet the first rounds. */
function settle() {
  if (process.platform !== 'win32') spawnSync('sync')
}

/** How quiet the machine was. A delivery's receiver is a process of its own, so its rounds say nothing of that. */
function others(raw) {
  const shares = Object.entries(raw).flatMap(([name, byName]) => (name === 'delivery' ? [] : Object.values(byName).flat().map((each) => each.othersShare)))
  return shares.length === 0 ? 'delivery only' : `others used ${Math.round(median(shares) * 100)} % of the machine (most ${Math.round(Math.max(...shares) * 100)} %)`
}

/** The peers are no dependency of the package, so they are installed only here. */
async function installPeers() {
  if (whyOutdated(here) === null) return
  step('Installing the peers (better-sqlite3 is compiled where no prebuilt one can be had)')
  const code = await npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: here })
  if (code !== 0) throw Object.assign(new Error(`npm ci in bench/ ended with code ${code}`), { hint: 'better-sqlite3 needs Python 3, make and a C++ compiler when it is compiled' })
}

function save(report) {
  const results = join(here, 'results')
  mkdirSync(results, { recursive: true })
  const path = join(results, `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`)
  writeFileSync(path, `${JSON.stringify(report)}\n`)
  return path
}
