// Some seeds of the core; `npm run rig -- seeds --cycles 1000000` runs many.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('histories against the model and simulations under random weather hold their promises, on new seeds every time', async () => {
  const { figures, violations } = await run('seeds', { cycles: 1_000 })
  assert.deepEqual(violations, [])
  assert.deepEqual([figures.histories, figures.simulations], [1_000, 10])
})

test('the rig finds a store that gives out two messages of a lane, and names the seed', async () => {
  await finds('seeds', { cycles: 100, seed: 1, plant: 'skip-lane-check', words: /seed \d+: .*HL7_OUTBOX_SEED=\d+/ })
})
