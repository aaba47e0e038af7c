// Retention as the running dispatcher carries it out, through the door. Times and places are tested in Rust, where the clock moves.
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, open, reach, refused, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const gone = (outbox, id) => until(outbox, async () => (await outbox.getMessageContent(id)) === null, `the end of the content of ${id}`)

test('contents and answers of ended messages go by themselves; rows stay, and what waits is kept', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'REFUSED' }, answer: REFUSE }] })
  const outbox = await open(t, taker.url, {}, { retention: { bodiesMs: 1, rowsMs: null } })
  const delivered = await outbox.enqueueHl7(hl7(), { tags: { school: 'S1' } })
  const withdrawn = await outbox.enqueueHl7(hl7(), { hold: true })
  const held = await outbox.enqueueHl7(hl7(), { hold: true })
  const failed = await outbox.enqueueHl7(hl7({ control: 'REFUSED' }))
  await outbox.cancelMessages({ ids: [withdrawn.id] }, by)
  await reach(outbox, delivered.id, 'ACKNOWLEDGED')
  await reach(outbox, failed.id, 'FAILED')
  await gone(outbox, delivered.id)
  await gone(outbox, withdrawn.id)
  const { status, tags } = await outbox.getMessage(delivered.id)
  assert.deepEqual([status, tags, (await outbox.getAttempts(delivered.id)).length], ['ACKNOWLEDGED', { school: 'S1' }, 1])
  assert.equal(await outbox.getAnswer(delivered.id, 1), null)
  assert.deepEqual((await outbox.resendMessages({ ids: [delivered.id] }, by)).unchanged, [{ id: delivered.id, code: 'ERR_CONTENT_REMOVED' }])
  assert.deepEqual((await outbox.retryMessages({ ids: [withdrawn.id] }, by)).unchanged, [{ id: withdrawn.id, code: 'ERR_CONTENT_REMOVED' }])
  for (const { id } of [held, failed]) assert.ok((await outbox.getMessageContent(id)).length > 0)
  assert.notEqual(await outbox.getAnswer(failed.id, 1), null)
})

test('rows become tombstones by themselves, and the same bytes are still recognised', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url, {}, { retention: { bodiesMs: 1, rowsMs: 1 } })
  const { path } = (await outbox.getHealth()).file
  const text = hl7({ note: 'Invented-words-of-a-tombstone', bytes: 9_000 })
  const { id, controlId } = await outbox.enqueueHl7(text, { tags: { label: 'Invented-words-of-a-tombstone' } })
  await until(outbox, async () => (await outbox.getMessage(id)).purgedAt !== undefined, 'the tombstone')
  const message = await outbox.getMessage({ controlId, destination: 'malaffi' })
  assert.deepEqual([message.id, message.status, message.tags], [id, 'ACKNOWLEDGED', {}])
  assert.deepEqual(await outbox.getAttempts(id), [])
  const again = await outbox.enqueueHl7(text)
  assert.deepEqual([again.id, again.duplicate, again.status], [id, true, 'ACKNOWLEDGED'])
  await outbox.close()
  const files = readdirSync(dirname(path)).filter((name) => /^outbox\.db(-wal)?$/.test(name)).map((name) => readFileSync(join(dirname(path), name)))
  assert.ok(!files.some((bytes) => bytes.includes('Invented-words-of-a-tombstone')))
  assert.equal((await taker.received()).length, 1)
})

test('a retention that would lose what another keeps is refused by name', async (t) => {
  for (const [retention, name] of [[{ changesMs: 1000 }, 'changesMs'], [{ bodiesMs: 2, rowsMs: 1 }, 'rowsMs'], [{ bodiesMs: 0 }, 'bodiesMs'], [{ bodies: 1 }, 'bodies']]) {
    const error = await refused(() => open(t, undefined, {}, { retention }), 'ERR_CONFIG')
    assert.match(error.message, new RegExp(`retention\\.${name}`))
  }
})
