// A short soak: one application lives while another is killed again and again; the promises hold and its descriptors stay flat.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('twenty seconds of kills and faults leave descriptors flat and nothing lost or reordered', { timeout: 120_000 }, async () => {
  const { figures, violations } = await run('soak', { cycles: 2 })
  assert.deepEqual(violations, [])
  assert.ok(figures.arrived > 100 && figures.kills > 0, JSON.stringify(figures))
})

test('an application that never closes its files is found out', { timeout: 120_000 }, async () => {
  await finds('soak', { cycles: 1, plant: 'leak', words: /descriptors/ })
})
