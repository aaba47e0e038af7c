// The write-ahead log and those who read; `npm run rig -- wal`.
import assert from 'node:assert/strict'
import test from 'node:test'

import { run } from '../../rigs/run.mjs'
import { finds } from '../support/rigs.mjs'

test('the log stays small with our own readers busy; a foreign reader is told, bounded, and recovered from', { timeout: 300_000 }, async () => {
  const { figures, violations } = await run('wal')
  assert.deepEqual(violations, [])
  assert.ok(figures.questions > 20 && figures.changes > 100 && figures.refused > 0 && figures.foreignLogMiB > 64, JSON.stringify(figures))
})

test('a transaction that another process keeps open is noticed by the size of the log', { timeout: 120_000 }, async () => {
  await finds('wal', { plant: 'reader', words: /the log grew/ })
})
