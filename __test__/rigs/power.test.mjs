// The power is cut in the middle of the work: what was flushed is there, and the outbox finds its way back from any of it.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('a power cut loses nothing that was resolved, whatever becomes of what was not flushed', async () => {
  const { figures, violations } = await run('power', { cycles: 30 })
  assert.deepEqual(violations, [])
  assert.ok(figures.checked > 100, `${figures.checked} messages looked for`)
  assert.ok(figures.sectorsLost > 30, `${figures.sectorsLost} sectors lost`)
})

test('the rig sees what is lost when flushes do nothing', async () => {
  await finds('power', { cycles: 30, plant: 'no-flush', words: /was resolved and is unknown|was resolved and never arrived/ })
})
