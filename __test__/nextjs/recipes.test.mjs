// The recipe of the application's own table, as it stands in the documentation, on PGlite: PostgreSQL inside this process.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'

import { hl7 } from '../support/messages.mjs'
import { by, config, door, folder, reach, root, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { cook, TABLES } from '../support/recipes.mjs'

const { dependencies } = JSON.parse(readFileSync(join(root, 'examples', 'nextjs-clinic', 'package.json'), 'utf8'))
const PGLITE = '@electric-sql/pglite'

test('the clinic’s own table follows the outbox', { timeout: 300_000 }, async (t) => {
  const place = folder(t)
  await cook(place, [`${PGLITE}@${dependencies[PGLITE]}`])
  const { PGlite } = createRequire(join(place, 'package.json'))(PGLITE)
  const { keepInStep } = await import(pathToFileURL(join(place, 'lib', 'hl7-table.mjs')).href)
  const db = await PGlite.create()
  t.after(() => db.close())
  for (const sql of TABLES) await db.query(sql)

  const taker = await receiver(t, { rules: [{ when: { controlId: 'BAD' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  await door.startOutbox(config(join(place, 'outbox.db'), taker.url))
  t.after(() => door.stopOutbox({ timeoutMs: 0 }))
  const enqueue = async (control, options) => {
    await db.query('INSERT INTO "HL7Message" ("controlId") VALUES ($1)', [control])
    return door.enqueueHl7(hl7({ control, patient: control }), options)
  }
  const rowIs = (control, status) => until(door, async () => {
    const { rows } = await db.query('SELECT * FROM "HL7Message" WHERE "controlId" = $1', [control])
    return rows[0].status === status && rows[0]
  }, `${status} of ${control}`)

  const first = new AbortController()
  const reading = keepInStep(db, first.signal)
  await enqueue('GOOD')
  await enqueue('BAD')
  const held = await enqueue('HELD', { hold: true })
  assert.ok((await rowIs('GOOD', 'ACKNOWLEDGED')).acknowledgedAt)
  assert.match((await rowIs('BAD', 'FAILED')).errorMessage, /^rejected .*103/)
  first.abort()
  await reading

  // What happens while nobody reads is made up for, from the place that the table itself remembers.
  await door.releaseMessages({ ids: [held.id] }, by)
  await reach(door, held.id, 'ACKNOWLEDGED')
  const second = new AbortController()
  const again = keepInStep(db, second.signal)
  assert.equal((await rowIs('HELD', 'ACKNOWLEDGED')).errorMessage, null)
  second.abort()
  await again
})
