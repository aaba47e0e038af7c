// The sender is stopped, killed, or sees the wall clock jump by a day: nobody takes over from the living, and nothing waits for it.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('a stopped sender keeps the lead, a dead one is replaced, and a clock that jumps by a day delays nothing', { timeout: 240_000 }, async () => {
  const { figures, violations } = await run('pause', { cycles: 20 })
  assert.deepEqual(violations, [])
  assert.ok(figures.stops > 0 && figures.kills > 0 && figures.jumps > 0 && figures.arrived > 100, JSON.stringify(figures))
})

test('a sender that is killed where it should only stand still is found out', { timeout: 120_000 }, async () => {
  await finds('pause', { cycles: 2, plant: 'usurp', words: /took over/ })
})
