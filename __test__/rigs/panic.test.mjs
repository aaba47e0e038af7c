// Panics inside of applications that go on working.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('two hundred panics in exports, threads and callbacks end no process and hang no call, and health tells', async () => {
  const { figures, violations } = await run('panic')
  assert.deepEqual(violations, [])
  assert.equal(figures.met, 200)
  assert.ok(figures.told > 5 && figures.restarts > 3 && figures.points > 40, JSON.stringify(figures))
  assert.equal(figures.processes, 4)
})

test('the rig finds a process that ends instead', async () => {
  await finds('panic', { plant: 'abort', cycles: 4, seed: 1, words: /the process ended/ })
})
