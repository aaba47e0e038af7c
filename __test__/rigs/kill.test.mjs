// Applications of one file, killed again and again.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('two hundred kills of applications of one file lose nothing that was resolved, reorder nothing, and repeat only what was in flight', async () => {
  const { figures, violations } = await run('kill')
  assert.deepEqual(violations, [])
  assert.ok(figures.enqueued > 2_000 && figures.repeats > 0, JSON.stringify(figures))
})

for (const plant of ['forget', 'swap']) {
  test(`the rig finds what is planted: ${plant}`, async () => {
    await finds('kill', { cycles: 20, seed: 7, plant, words: /./ })
  })
}
