// The disk is full, and free again, and nobody restarts anything.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('a full disk refuses new messages with its own code, lets stored ones leave, and takes messages again when there is room', async () => {
  const { figures, violations } = await run('full', { cycles: 16 })
  assert.deepEqual(violations, [])
  assert.ok(figures.leftWhileFull > 200, `${figures.leftWhileFull} messages left while it was full`)
  assert.ok(figures.refuseMsMax < 1_000 && figures.refused > 20, `${figures.refused} refused, the first after ${figures.refuseMsMax} ms at most`)
})

test('the rig sees deliveries that stop', async () => {
  await finds('full', { cycles: 1, plant: 'stuck', words: /did not leave/ })
})
