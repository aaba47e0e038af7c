// The recipe of the application's own table, as it stands in the documentation, on a real PostgreSQL.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, folder, open, reach } from '../support/outbox.mjs'
import { startProgram } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'
import { cook, TABLES } from '../support/recipes.mjs'
import { startCluster } from './postgres/cluster.mjs'

const PG = 'pg@8.16.3'
const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const ISO = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
const WAIT_MS_MAX = 30_000
const WAIT_EVERY_MS = 25

/** What every application process of the clinic does at boot. */
const APPLICATION = `
import pg from 'pg'
import { startOutbox } from 'hl7-outbox'
import { keepInStep } from './lib/hl7-table.mjs'
const [settings, connection] = process.argv.slice(2).map((text) => JSON.parse(text))
await startOutbox(settings)
console.log('stands')
await keepInStep(new pg.Pool(connection), new AbortController().signal)
`

/** A cluster with the table, an outbox file, and applications that keep the two in step. */
async function clinic(t, behaviour) {
  const connection = await startCluster(t)
  const place = folder(t)
  await cook(place, [PG])
  writeFileSync(join(place, 'application.mjs'), APPLICATION)
  const { Pool } = createRequire(join(place, 'application.mjs'))('pg')
  const pool = new Pool(connection)
  // The cluster is stopped under its connections.
  pool.on('error', () => undefined)
  t.after(() => pool.end())
  for (const sql of TABLES) await pool.query(sql)
  const taker = await receiver(t, behaviour)
  const path = join(place, 'outbox.db')
  const outbox = await open(t, taker.url, { concurrency: 8 }, { path })
  const settings = { ...config(path, taker.url), dispatch: false }
  const boot = async () => {
    const program = startProgram(t, ['application.mjs', JSON.stringify(settings), JSON.stringify(connection)], { cwd: place })
    await program.line((line) => line === 'stands')
    return program
  }
  const enqueue = async (message, options) => {
    const controlId = message.split('|')[9]
    await pool.query('INSERT INTO "HL7Message" ("controlId") VALUES ($1)', [controlId])
    return outbox.enqueueHl7(message, options)
  }
  const row = async (controlId) => (await pool.query(`SELECT *, to_char("acknowledgedAt", '${ISO}') AS iso FROM "HL7Message" WHERE "controlId" = $1`, [controlId])).rows[0]
  return { pool, outbox, boot, enqueue, row }
}

/** Resolves with what `look` gives as soon as it is something. */
async function eventually(look, what) {
  for (const deadline = performance.now() + WAIT_MS_MAX; performance.now() < deadline; ) {
    const found = await look()
    if (found) return found
    await new Promise((resolve) => setTimeout(resolve, WAIT_EVERY_MS))
  }
  throw new Error(`${what} did not come`)
}

test('the table says in its own words what became of each message', { timeout: 300_000 }, async (t) => {
  const { outbox, boot, enqueue, row } = await clinic(t, {
    rules: [{ when: { controlId: 'BAD' }, answer: REFUSE }, { when: { controlId: 'PLAIN' }, answer: 'empty' }, { when: { controlId: 'TWICE', first: 1 }, answer: { type: 'status', status: 500 } }],
  })
  await boot()
  const sent = {}
  for (const control of ['GOOD', 'BAD', 'PLAIN', 'TWICE']) sent[control] = await enqueue(hl7({ control, patient: control }))
  const held = await enqueue(hl7({ control: 'HELD', patient: 'HELD' }), { hold: true })
  const status = (control, word) => eventually(async () => {
    const found = await row(control)
    return found.status === word && found
  }, `${word} of ${control}`)
  const good = await status('GOOD', 'ACKNOWLEDGED')
  assert.equal(good.iso, (await outbox.getMessage(sent.GOOD.id)).acknowledgedAt, 'UTC, as Prisma writes it, whatever the zone of the server')
  assert.deepEqual([good.errorMessage, good.retryCount, good.sentAt.getTime()], [null, 0, good.acknowledgedAt.getTime()])
  const bad = await status('BAD', 'FAILED')
  assert.deepEqual([bad.errorMessage.includes('103'), bad.errorMessage.startsWith('rejected '), bad.sentAt], [true, true, null])
  const plain = await status('PLAIN', 'SENT')
  assert.deepEqual([plain.sentAt !== null, plain.acknowledgedAt], [true, null])
  assert.equal((await status('TWICE', 'ACKNOWLEDGED')).retryCount, 1)
  await eventually(async () => (await row('HELD')).errorMessage === 'on hold', 'the message on hold')
  assert.equal((await row('HELD')).status, 'PENDING')
  await outbox.cancelMessages({ ids: [held.id] }, by)
  assert.equal((await status('HELD', 'FAILED')).errorMessage, 'withdrawn')
  await outbox.retryMessages({ ids: [held.id] }, by)
  assert.equal((await status('HELD', 'ACKNOWLEDGED')).errorMessage, null)
})

test('readers that are killed at any moment apply every change once, in order', { timeout: 300_000 }, async (t) => {
  const { pool, outbox, boot, enqueue } = await clinic(t)
  // Everything that is done to the table, for the test alone.
  await pool.query('CREATE TABLE log ("n" serial PRIMARY KEY, "controlId" text, "was" text, "became" text)')
  await pool.query(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO log ("controlId", "was", "became") VALUES (NEW."controlId", OLD."status", NEW."status"); RETURN NEW; END $$`)
  await pool.query('CREATE TRIGGER noted AFTER UPDATE ON "HL7Message" FOR EACH ROW EXECUTE FUNCTION note()')
  let readers = [await boot(), await boot()]
  const ids = []
  for (let n = 0; n < 240; n++) {
    ids.push((await enqueue(hl7({ control: `K${n}`, patient: `K-${n % 12}` }))).id)
    if (n % 60 !== 59) continue
    // The elder of the two, which mostly has the turn.
    await readers[0].kill()
    readers = [readers[1], await boot()]
  }
  await count(outbox, 'ACKNOWLEDGED', 240)
  await eventually(async () => (await pool.query(`SELECT 1 FROM "HL7Message" WHERE "status" <> 'ACKNOWLEDGED' LIMIT 1`)).rowCount === 0, 'the whole table')
  await reach(outbox, ids.at(-1), 'ACKNOWLEDGED')
  // That it was stored, and that it was delivered: two updates of each row, and not one more.
  const { rows } = await pool.query(`SELECT "controlId", array_agg("was" || ' ' || "became" ORDER BY "n") AS moves FROM log GROUP BY 1`)
  assert.equal(rows.length, 240)
  assert.deepEqual(rows.filter(({ moves }) => moves.join() !== 'PENDING PENDING,PENDING ACKNOWLEDGED'), [])
})
