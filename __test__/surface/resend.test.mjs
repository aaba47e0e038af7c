// Delivered messages that are sent again, and content that is removed for good.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, flying, open, openPaused, reach, refused } from '../support/outbox.mjs'
import { bytesOf, receiver } from '../support/receiver.mjs'

const REFUSE = { type: 'ae', errors: [{ code: '103' }] }

test('a delivered message is sent again byte for byte, marked for us and not on the wire', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'PLAIN' }, answer: { type: 'empty' } }] })
  const outbox = await open(t, taker.url)
  const text = hl7({ control: 'AGAIN', patient: 'RS-1', arabic: true })
  const acknowledged = await outbox.enqueueHl7(text)
  const sent = await outbox.enqueueHl7(hl7({ control: 'PLAIN', patient: 'RS-2' }))
  await reach(outbox, acknowledged.id, 'ACKNOWLEDGED')
  await reach(outbox, sent.id, 'SENT')
  const changed = await outbox.resendMessages({ status: ['SENT', 'ACKNOWLEDGED'] }, by)
  assert.deepEqual([changed.count, new Set(changed.changed), changed.unchanged], [2, new Set([acknowledged.id, sent.id]), []])
  const arrivals = (await taker.until(4)).filter(({ controlId }) => controlId === 'AGAIN')
  assert.ok(arrivals.every((item) => bytesOf(item).equals(Buffer.from(text))))
  assert.deepEqual(arrivals[1].headers, arrivals[0].headers)
  const message = await reach(outbox, acknowledged.id, 'ACKNOWLEDGED')
  assert.deepEqual([message.possibleDuplicate, message.attempts, message.tries], [true, 1, 2])
  assert.deepEqual((await outbox.getAttempts(acknowledged.id)).map(({ manual }) => manual), [false, true])
  assert.equal((await reach(outbox, sent.id, 'SENT')).possibleDuplicate, true)
})

test('resend says of what was not delivered why not, and leaves what was overtaken', async (t) => {
  const taker = await receiver(t, { rules: [
    { when: { controlId: 'BAD' }, answer: REFUSE },
    { when: { controlId: 'FLIGHT' }, answer: { type: 'late', afterMs: 700 } },
  ] })
  const outbox = await open(t, taker.url)
  const old = await outbox.enqueueHl7(hl7({ control: 'OLD', patient: 'RO' }))
  const newest = await outbox.enqueueHl7(hl7({ control: 'NEWEST', patient: 'RO' }))
  const failed = await outbox.enqueueHl7(hl7({ control: 'BAD' }))
  const held = await outbox.enqueueHl7(hl7(), { hold: true })
  await reach(outbox, newest.id, 'ACKNOWLEDGED')
  await reach(outbox, failed.id, 'FAILED')
  const flight = await outbox.enqueueHl7(hl7({ control: 'FLIGHT' }))
  await flying(outbox, flight.id)
  const changed = await outbox.resendMessages({ ids: [old, newest, failed, held, flight].map(({ id }) => id) }, by)
  assert.deepEqual(changed.changed, [newest.id])
  assert.deepEqual(Object.fromEntries(changed.unchanged.map(({ id, code }) => [id, code])), {
    [old.id]: 'OVERTAKEN', [failed.id]: 'ERR_STATE', [held.id]: 'ERR_STATE', [flight.id]: 'ERR_STATE',
  })
  assert.equal((await outbox.resendMessages({ ids: [old.id] }, { ...by, allowOvertaken: true })).count, 1)
  await reach(outbox, old.id, 'ACKNOWLEDGED')
  assert.equal((await taker.received()).filter(({ controlId }) => controlId === 'OLD').length, 2)
})

test('a purged message loses its content, attempts, answers and labels, and keeps its status and its control id', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const text = hl7({ control: 'GONE', patient: 'PU-1' })
  const { id } = await outbox.enqueueHl7(text, { tags: { visit: 'V-1' } })
  const delivered = await reach(outbox, id, 'ACKNOWLEDGED')
  assert.deepEqual(await outbox.purgeMessages({ ids: [id] }, by), { changed: [id], unchanged: [], count: 1 })
  const left = await outbox.getMessage(id)
  assert.deepEqual([left.status, left.controlId, left.tags, left.acknowledgedAt], ['ACKNOWLEDGED', 'GONE', {}, delivered.acknowledgedAt])
  assert.ok(Date.parse(left.purgedAt) >= Date.parse(left.acknowledgedAt))
  assert.deepEqual(await outbox.getMessage({ controlId: 'GONE' }), left)
  assert.equal(await outbox.getMessageContent(id), null)
  assert.deepEqual(await outbox.getAttempts(id), [])
  assert.equal(await outbox.getAnswer(id, 1), null)
  assert.deepEqual((await outbox.listMessages()).items, [])
  assert.deepEqual((await outbox.listMessages({ tags: { visit: 'V-1' } })).items, [])
  assert.equal((await outbox.getStats()).byStatus.ACKNOWLEDGED, 0)

  assert.deepEqual(await outbox.enqueueHl7(text), { id, controlId: 'GONE', destination: 'malaffi', status: 'ACKNOWLEDGED', duplicate: true })
  await refused(() => outbox.enqueueHl7(hl7({ control: 'GONE', patient: 'PU-2' })), 'ERR_CONTROL_ID_CONFLICT')
  assert.equal((await taker.received()).length, 1)
  for (const method of ['purgeMessages', 'retryMessages', 'resendMessages', 'holdMessages', 'cancelMessages']) {
    assert.deepEqual((await outbox[method]({ ids: [id] }, by)).unchanged, [{ id, code: 'ERR_MESSAGE_ID' }], method)
  }
})

test('what was not delivered is withdrawn before it is purged; what is in flight is left', async (t) => {
  const taker = await receiver(t, { rules: [
    { when: { controlId: 'BAD' }, answer: REFUSE },
    { when: { controlId: 'FLIGHT' }, answer: { type: 'late', afterMs: 700 } },
  ] })
  const outbox = await open(t, taker.url)
  const failed = await outbox.enqueueHl7(hl7({ control: 'BAD' }))
  const held = await outbox.enqueueHl7(hl7(), { hold: true })
  await reach(outbox, failed.id, 'FAILED')
  const flight = await outbox.enqueueHl7(hl7({ control: 'FLIGHT', patient: 'PF' }))
  const pending = await outbox.enqueueHl7(hl7({ control: 'BEHIND', patient: 'PF' }))
  await flying(outbox, flight.id)
  const changes = []
  const unsubscribe = outbox.onStatusChange(({ id, from, to }) => changes.push([id, from, to]))
  const changed = await outbox.purgeMessages({}, by)
  assert.deepEqual([changed.changed, changed.unchanged], [[failed.id, held.id, pending.id], [{ id: flight.id, code: 'ERR_IN_FLIGHT' }]])
  for (const { id } of [failed, held, pending]) {
    const { status, failure, purgedAt } = await outbox.getMessage(id)
    assert.deepEqual([status, failure, purgedAt !== undefined], ['CANCELLED', null, true])
  }
  await reach(outbox, flight.id, 'ACKNOWLEDGED')
  unsubscribe()
  assert.deepEqual(changes.slice(0, 3), [[failed.id, 'FAILED', 'CANCELLED'], [held.id, 'HELD', 'CANCELLED'], [pending.id, 'PENDING', 'CANCELLED']])
  assert.deepEqual((await outbox.getStats()).byStatus, { PENDING: 0, HELD: 0, SENT: 0, ACKNOWLEDGED: 1, FAILED: 0, CANCELLED: 0 })
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['BAD', 'FLIGHT'])
  assert.equal((await outbox.enqueueHl7(hl7({ control: 'BEHIND', patient: 'PF' }))).status, 'CANCELLED')
})

test('a purged message still stands for the order of its lane', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const held = await outbox.enqueueHl7(hl7({ control: 'EARLY', patient: 'PL' }), { hold: true })
  const later = await outbox.enqueueHl7(hl7({ control: 'LATER', patient: 'PL' }))
  await reach(outbox, later.id, 'ACKNOWLEDGED')
  await outbox.purgeMessages({ ids: [later.id] }, by)
  assert.deepEqual((await outbox.releaseMessages({ ids: [held.id] }, by)).unchanged, [{ id: held.id, code: 'OVERTAKEN' }])
})

test('after a purge and a close no byte of the content is left in the folder', async (t) => {
  const outbox = await openPaused(t)
  const { path } = (await outbox.getHealth()).file
  const mark = 'Invented-words-that-stand-nowhere-else'
  const { id } = await outbox.enqueueHl7(hl7({ note: mark, bytes: 20_000 }), { tags: { label: `${mark}-label` } })
  for (let n = 0; n < 20; n++) await outbox.enqueueHl7(hl7({ bytes: 3_000 }))
  // The mark of the process holds nothing, and goes when the last thread lets go.
  const files = () => readdirSync(dirname(path)).filter((name) => !name.includes('.process-')).map((name) => readFileSync(join(dirname(path), name)))
  assert.ok(files().some((bytes) => bytes.includes(mark)))
  await outbox.purgeMessages({ ids: [id] }, by)
  await outbox.close()
  assert.ok(!files().some((bytes) => bytes.includes(mark)))
})
