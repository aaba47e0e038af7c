// Eight processes that saturate one file: nobody starves, whatever else the machine does.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('eight processes that saturate one file all get on, and nobody waits for seconds', { timeout: 120_000 }, async () => {
  const { figures, violations } = await run('saturate', { cycles: 4 })
  assert.deepEqual(violations, [])
  assert.ok(figures.enqueued > 1_000, JSON.stringify(figures))
})

test('somebody who keeps the write lock is found out', { timeout: 120_000 }, async () => {
  await finds('saturate', { cycles: 4, plant: 'hog', words: /waited/ })
})
