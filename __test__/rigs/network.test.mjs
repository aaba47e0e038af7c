// Faults between the outbox and its receiver; `npm run rig -- network` does this at length.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('five hundred episodes of faults, at every byte of the wire, lose, reorder and credit wrongly nothing', { timeout: 300_000 }, async () => {
  const { figures, violations, seed } = await run('network')
  assert.deepEqual(violations, [], `seed ${seed}`)
  assert.ok(figures.messages > 2_500 && figures.faults > 1_000 && figures.repeats > 150, JSON.stringify(figures))
  // The machine's own slowness is a fault like another, but must not be most of them.
  assert.ok(figures.slow < figures.messages / 4, JSON.stringify(figures))
})

test('a peer that acknowledges what it never got whole is noticed', { timeout: 120_000 }, async () => {
  await finds('network', { cycles: 60, seed: 3, plant: 'phantom', words: /lost:/ })
})

test('a proxy that passes a refusal on as an acceptance is noticed', { timeout: 120_000 }, async () => {
  await finds('network', { cycles: 60, seed: 3, plant: 'forge', words: /credited wrongly/ })
})
