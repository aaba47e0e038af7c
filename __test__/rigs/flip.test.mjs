// Bits that flip in the file; `npm run rig -- flip` does this at length.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('a thousand flipped bits: every damaged body is detected, none is sent or shown, and the other lanes go on', { timeout: 300_000 }, async () => {
  const { figures, violations, seed } = await run('flip')
  assert.deepEqual(violations, [], `seed ${seed}`)
  assert.ok(figures.damaged >= 600 && figures.detected === figures.damaged && figures.acrossPages > 50, JSON.stringify(figures))
  assert.ok(figures.refused > 5, 'flips anywhere met something that mattered')
})

test('bodies that were changed together with their digests are noticed by the rig', { timeout: 120_000 }, async () => {
  await finds('flip', { cycles: 40, plant: 'resign', words: /nobody enqueued it/ })
})
