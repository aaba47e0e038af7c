// A migration that is cut off at any of its steps, by an error, a full disk, a panic or the end of the process.
import assert from 'node:assert/strict'
import test from 'node:test'

import { cargo } from '../../rigs/lib/build.mjs'

test('a migration that fails or is killed at any step leaves a file that both versions open, with nothing lost', async () => {
  const said = await cargo(['test', '--profile', 'faults', '-p', 'outbox-sqlite', '--features', 'faults', '--test', 'migration_faults'])
  assert.match(said, /test result: ok\. 3 passed; 0 failed/)
})
