// Rigs whose planted faults must be found.
import assert from 'node:assert/strict'

import { run } from '../../rigs/run.mjs'

/** Runs of a rig before a fault counts as not found. */
const RUNS_MAX = 10

/**
 * Runs the rig with the planted fault until a violation matches `words`. Most faults show only at some moments, and how many
 * of these a run has depends on the machine's load; so a run that met none is followed by another with other decisions.
 */
export async function finds(name, { words, seed = 1, ...how }) {
  const said = new Set()
  for (let n = 0; n < RUNS_MAX; n++) {
    const { violations } = await run(name, { ...how, seed: seed + n })
    if (violations.some((each) => words.test(each))) return
    for (const each of violations.slice(0, 3)) said.add(each)
  }
  assert.fail(`the rig ${name} did not find ${how.plant} in ${RUNS_MAX} runs; it said ${said.size === 0 ? 'nothing' : [...said].join('\n')}`)
}
