// Messages on hold: outside their lane until a person releases them.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, flying, open, openPaused, reach, refused, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const NOBODY = '01900000-0000-7000-8000-000000000000'
const HOUR_MS = 3_600_000

test('a message enqueued on hold is stored as HELD, is not sent, and its lane goes on without it', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const held = await outbox.enqueueHl7(hl7({ control: 'HOLD', patient: 'H-1' }), { hold: true })
  const later = await outbox.enqueueHl7(hl7({ control: 'NEXT', patient: 'H-1' }))
  assert.equal(held.status, 'HELD')
  await reach(outbox, later.id, 'ACKNOWLEDGED')
  const message = await outbox.getMessage(held.id)
  assert.deepEqual([message.status, message.waitingFor, message.blockedBy, message.dueAt, message.tries], ['HELD', null, null, null, 0])
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['NEXT'])
  assert.deepEqual((await outbox.listMessages({ status: 'HELD' })).items.map(({ id }) => id), [held.id])
  assert.equal((await outbox.getStats()).byStatus.HELD, 1)
  assert.deepEqual(await outbox.enqueueHl7(hl7({ control: 'HOLD', patient: 'H-1' })), { ...held, duplicate: true })
})

test('hold takes a pending message out of its lane, and says of every other why not', async (t) => {
  const taker = await receiver(t, { rules: [
    { when: { controlId: 'BAD' }, answer: { type: 'ae', errors: [{ code: '103' }] } },
    { when: { controlId: 'FLIGHT' }, answer: { type: 'late', afterMs: 700 } },
  ] })
  const outbox = await open(t, taker.url)
  const failed = await outbox.enqueueHl7(hl7({ control: 'BAD', patient: 'HB' }))
  const flight = await outbox.enqueueHl7(hl7({ control: 'FLIGHT', patient: 'HF' }))
  const behind = await outbox.enqueueHl7(hl7({ control: 'BEHIND', patient: 'HF' }))
  const deferred = await outbox.enqueueHl7(hl7(), { notBefore: new Date(Date.now() + HOUR_MS) })
  const held = await outbox.enqueueHl7(hl7(), { hold: true })
  await reach(outbox, failed.id, 'FAILED')
  await flying(outbox, flight.id)
  const ids = [failed, flight, behind, deferred, held].map(({ id }) => id)
  const changed = await outbox.holdMessages({ ids: [...ids, NOBODY] }, by)
  assert.deepEqual([changed.count, new Set(changed.changed)], [2, new Set([behind.id, deferred.id])])
  assert.deepEqual(Object.fromEntries(changed.unchanged.map(({ id, code }) => [id, code])), {
    [failed.id]: 'ERR_STATE', [flight.id]: 'ERR_IN_FLIGHT', [held.id]: 'ERR_STATE', [NOBODY]: 'ERR_MESSAGE_ID',
  })
  await reach(outbox, flight.id, 'ACKNOWLEDGED')
  assert.equal((await outbox.getMessage(behind.id)).status, 'HELD')
  assert.equal((await taker.received()).length, 2)
})

test('a released message takes its old place and precedes what still waits', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url)
  const ids = []
  for (const control of ['R1', 'R2', 'R3']) ids.push((await outbox.enqueueHl7(hl7({ control, patient: 'REL' }))).id)
  await outbox.holdMessages({ ids: [ids[0]] }, by)
  assert.equal((await outbox.getMessage(ids[1])).blockedBy, null)
  assert.deepEqual(await outbox.releaseMessages({ status: 'HELD' }, by), { changed: [ids[0]], unchanged: [], count: 1 })
  const released = await outbox.getMessage(ids[0])
  assert.deepEqual([released.status, released.attempts, released.overtaken], ['PENDING', 0, false])
  assert.equal((await outbox.getMessage(ids[1])).blockedBy, ids[0])
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, ids[2], 'ACKNOWLEDGED')
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['R1', 'R2', 'R3'])
})

test('a message whose lane has gone on is not released unless told so', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const held = await outbox.enqueueHl7(hl7({ control: 'OLD', patient: 'OVER' }), { hold: true })
  const later = await outbox.enqueueHl7(hl7({ control: 'NEW', patient: 'OVER' }))
  const alone = await outbox.enqueueHl7(hl7({ control: 'ALONE', patient: 'OTHER' }), { hold: true })
  await reach(outbox, later.id, 'ACKNOWLEDGED')
  assert.deepEqual(await outbox.releaseMessages({}, by), { changed: [alone.id], unchanged: [{ id: held.id, code: 'OVERTAKEN' }], count: 1 })
  const left = await outbox.getMessage(held.id)
  assert.deepEqual([left.status, left.overtaken], ['HELD', true])
  assert.equal((await outbox.releaseMessages({ ids: [held.id] }, { ...by, allowOvertaken: true })).count, 1)
  await reach(outbox, held.id, 'ACKNOWLEDGED')
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId).filter((id) => id !== 'ALONE'), ['NEW', 'OLD'])
})

test('a date before which a message must not leave is kept over hold and release', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const notBefore = new Date(Date.now() + HOUR_MS)
  const atEntry = await outbox.enqueueHl7(hl7({ patient: 'D-1' }), { hold: true, notBefore })
  const later = await outbox.enqueueHl7(hl7({ patient: 'D-2' }), { notBefore })
  await outbox.holdMessages({ ids: [later.id] }, by)
  await outbox.releaseMessages({ ids: [atEntry.id, later.id] }, by)
  for (const { id } of [atEntry, later]) {
    const message = await outbox.getMessage(id)
    assert.deepEqual([message.status, message.waitingFor, message.dueAt], ['PENDING', 'due', notBefore.toISOString()])
  }
  const soon = new Date(Date.now() + 400)
  const short = await outbox.enqueueHl7(hl7({ patient: 'D-3' }), { hold: true, notBefore: soon })
  await outbox.releaseMessages({ ids: [short.id] }, by)
  const sent = await reach(outbox, short.id, 'ACKNOWLEDGED')
  assert.ok(Date.parse(sent.sentAt) >= soon.getTime(), `${sent.sentAt} is before ${soon.toISOString()}`)
})

test('a message on hold can be withdrawn, and one that backs off can be held and begins anew', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'SLOW', first: 1 }, answer: { type: 'status', status: 500 } }] })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [HOUR_MS], jitter: 0 } })
  const held = await outbox.enqueueHl7(hl7(), { hold: true })
  assert.equal((await outbox.cancelMessages({ ids: [held.id] }, by)).count, 1)
  assert.equal((await outbox.getMessage(held.id)).status, 'CANCELLED')
  const slow = await outbox.enqueueHl7(hl7({ control: 'SLOW', patient: 'SL' }))
  const next = await outbox.enqueueHl7(hl7({ control: 'QUICK', patient: 'SL' }))
  await until(outbox, async () => (await outbox.getMessage(slow.id)).waitingFor === 'due')
  await outbox.holdMessages({ ids: [slow.id] }, by)
  await reach(outbox, next.id, 'ACKNOWLEDGED')
  await outbox.releaseMessages({ ids: [slow.id] }, { ...by, allowOvertaken: true })
  const sent = await reach(outbox, slow.id, 'ACKNOWLEDGED')
  assert.deepEqual([sent.attempts, sent.tries, sent.possibleDuplicate], [1, 2, false])
})

test('hold and release without an actor or with a wrong filter are refused', async (t) => {
  const outbox = await open(t)
  for (const method of ['holdMessages', 'releaseMessages', 'resendMessages', 'purgeMessages']) {
    for (const who of [undefined, null, {}, { actor: '' }, { actor: 'a', misspelt: 1 }]) await refused(() => outbox[method]({}, who), 'ERR_OPTION', `${method} by ${JSON.stringify(who)}`)
    for (const filter of [undefined, null, [], 'all', { misspelt: 1 }, { status: 'LOST' }]) await refused(() => outbox[method](filter, by), 'ERR_OPTION', `${method} ${JSON.stringify(filter)}`)
    await refused(() => outbox[method]({ ids: ['no-id'] }, by), 'ERR_MESSAGE_ID', method)
  }
  for (const method of ['holdMessages', 'purgeMessages', 'cancelMessages']) await refused(() => outbox[method]({}, { ...by, allowOvertaken: true }), 'ERR_OPTION', method)
})
