// Two copies of the package in one process are two SQLite libraries, which lose each other's locks on one file.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'

import { config, door, folder, root } from '../support/outbox.mjs'
import { hl7 } from '../support/messages.mjs'

/** The package once more, in a folder of its own. */
function secondCopy(t) {
  const copy = join(folder(t), 'hl7-outbox')
  mkdirSync(copy)
  const binaries = readdirSync(root).filter((name) => name.endsWith('.node'))
  for (const name of ['index.js', 'package.json', 'dist', ...binaries]) cpSync(join(root, name), join(copy, name), { recursive: true })
  return createRequire(import.meta.url)(join(copy, 'index.js'))
}

test('a second copy of the package in one process is refused the file that the first has open, and gets it afterwards', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const other = secondCopy(t)
  assert.notEqual(other.Outbox, door.Outbox)
  const first = await door.Outbox.open(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false }))
  const stored = await first.enqueueHl7(hl7())
  await assert.rejects(other.Outbox.open(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false })), { code: 'ERR_SECOND_COPY' })
  await first.enqueueHl7(hl7())
  await first.close()
  const second = await other.Outbox.open(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false }))
  assert.equal((await second.getMessage(stored.id)).status, 'PENDING')
  await second.close()
})
