// PM2 from npm reloads the applications of examples/pm2 under load: nothing is sent twice, lost or reordered, and no request refused.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('five reloads by PM2 under load cut no send, with applications that deliver themselves and beside a worker', { timeout: 240_000 }, async () => {
  const { figures, violations } = await run('reload', { cycles: 5 })
  assert.deepEqual(violations, [])
  assert.ok(figures.enqueued > 50 && figures.inFlight > 0, JSON.stringify(figures))
  assert.deepEqual([figures.repeats, figures.refused], [0, 0])
})

test('an application that leaves at SIGINT without stopping its outbox is found out', { timeout: 120_000 }, async () => {
  await finds('reload', { cycles: 1, plant: 'deaf', words: /arrived again without a cause/ })
})
