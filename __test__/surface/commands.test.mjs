// What persons order: retry, cancel, pause, resume; on every state, and while a message is in flight.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, flying, open, openPaused, reach, refused, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const NOBODY = '01900000-0000-7000-8000-000000000000'
const REFUSE = { type: 'ae', errors: [{ code: '103' }] }

/** One message in each state that can be reached here; all of them of patients of their own. */
async function oneOfEach(t) {
  const taker = await receiver(t, { rules: [
    { when: { controlId: 'SENT' }, answer: { type: 'empty' } },
    { when: { controlId: 'FAILED' }, answer: REFUSE },
    { when: { controlId: 'FLIGHT' }, answer: { type: 'late', afterMs: 700 } },
  ] })
  const outbox = await open(t, taker.url)
  const ids = {}
  for (const name of ['SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED', 'PENDING', 'FLIGHT']) {
    const options = name === 'CANCELLED' || name === 'PENDING' ? { notBefore: new Date(Date.now() + 3_600_000) } : {}
    ids[name] = (await outbox.enqueueHl7(hl7({ control: name, patient: name }), options)).id
  }
  for (const name of ['SENT', 'ACKNOWLEDGED', 'FAILED']) await reach(outbox, ids[name], name)
  await outbox.cancelMessages({ ids: [ids.CANCELLED] }, by)
  await flying(outbox, ids.FLIGHT)
  return { taker, outbox, ids }
}

test('retry changes what is failed, cancelled or pending, and says of every other why not', async (t) => {
  const { outbox, ids, taker } = await oneOfEach(t)
  const changed = await outbox.retryMessages({ ids: [...Object.values(ids), NOBODY] }, by)
  assert.deepEqual(new Set(changed.changed), new Set([ids.FAILED, ids.CANCELLED, ids.PENDING]))
  assert.equal(changed.count, 3)
  const why = Object.fromEntries(changed.unchanged.map(({ id, code }) => [id, code]))
  assert.deepEqual(why, { [ids.SENT]: 'ERR_STATE', [ids.ACKNOWLEDGED]: 'ERR_STATE', [ids.FLIGHT]: 'ERR_IN_FLIGHT', [NOBODY]: 'ERR_MESSAGE_ID' })
  await reach(outbox, ids.CANCELLED, 'ACKNOWLEDGED')
  await reach(outbox, ids.PENDING, 'ACKNOWLEDGED')
  const again = await reach(outbox, ids.FAILED, 'FAILED')
  assert.deepEqual([again.attempts, again.tries], [1, 2])
  assert.deepEqual((await outbox.getAttempts(ids.FAILED)).map(({ manual }) => manual), [false, true])
  assert.ok((await outbox.getStats()).retries24h.manual >= 1)
  assert.equal((await taker.received()).filter(({ controlId }) => controlId === 'FAILED').length, 2)
})

test('cancel withdraws what is pending or failed, and says of every other why not', async (t) => {
  const { outbox, ids } = await oneOfEach(t)
  const changed = await outbox.cancelMessages({ ids: [...Object.values(ids), NOBODY] }, by)
  assert.deepEqual(new Set(changed.changed), new Set([ids.FAILED, ids.PENDING, ids.FLIGHT]))
  const why = Object.fromEntries(changed.unchanged.map(({ id, code }) => [id, code]))
  assert.deepEqual(why, { [ids.SENT]: 'ERR_STATE', [ids.ACKNOWLEDGED]: 'ERR_STATE', [ids.CANCELLED]: 'ERR_STATE', [NOBODY]: 'ERR_MESSAGE_ID' })
  assert.equal((await outbox.getMessage(ids.FAILED)).status, 'CANCELLED')
  assert.equal((await outbox.getMessage(ids.PENDING)).status, 'CANCELLED')
  await reach(outbox, ids.FLIGHT, 'ACKNOWLEDGED')
})

test('a cancel in flight takes effect when the receiver does not accept', async (t) => {
  const taker = await receiver(t, { answer: { type: 'status', status: 500 }, latency: 300 })
  const outbox = await open(t, taker.url)
  const { id } = await outbox.enqueueHl7(hl7({ patient: 'Q' }))
  const next = await outbox.enqueueHl7(hl7({ patient: 'Q' }))
  await flying(outbox, id)
  assert.equal((await outbox.cancelMessages({ ids: [id] }, by)).count, 1)
  assert.equal((await outbox.getMessage(id)).status, 'PENDING')
  await reach(outbox, id, 'CANCELLED')
  await flying(outbox, next.id)
  assert.equal((await taker.received()).filter(({ controlId }) => controlId === next.controlId).length, 1)
})

test('a retried dead letter that later ones have overtaken is left, unless told otherwise', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'OLD', first: 1 }, answer: REFUSE }] })
  const outbox = await open(t, taker.url)
  const old = await outbox.enqueueHl7(hl7({ control: 'OLD', patient: 'OV' }))
  const later = await outbox.enqueueHl7(hl7({ control: 'NEW', patient: 'OV' }))
  await reach(outbox, later.id, 'ACKNOWLEDGED')
  assert.deepEqual(await outbox.retryMessages({ status: 'FAILED' }, by), { changed: [], unchanged: [{ id: old.id, code: 'OVERTAKEN' }], count: 0 })
  const left = await outbox.getMessage(old.id)
  assert.deepEqual([left.status, left.overtaken], ['FAILED', true])
  assert.equal((await outbox.retryMessages({ ids: [old.id] }, { ...by, allowOvertaken: true })).count, 1)
  await reach(outbox, old.id, 'ACKNOWLEDGED')
})

test('a retried message goes back to its old place and precedes what still waits', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url)
  const ids = []
  for (const control of ['A1', 'A2', 'A3']) ids.push((await outbox.enqueueHl7(hl7({ control, patient: 'PLACE' }))).id)
  await outbox.cancelMessages({ ids: [ids[0]] }, by)
  assert.equal((await outbox.getMessage(ids[1])).blockedBy, null)
  await outbox.retryMessages({ ids: [ids[0]] }, by)
  assert.equal((await outbox.getMessage(ids[1])).blockedBy, ids[0])
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, ids[2], 'ACKNOWLEDGED')
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['A1', 'A2', 'A3'])
})

test('retry of a pending message that backs off sends it now', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: { type: 'status', status: 500 } }] })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [3_600_000] } })
  const { id } = await outbox.enqueueHl7(hl7())
  await until(outbox, async () => (await outbox.getMessage(id)).waitingFor === 'due')
  await outbox.retryMessages({ status: ['PENDING', 'FAILED'] }, by)
  assert.equal((await reach(outbox, id, 'ACKNOWLEDGED')).tries, 2)
})

test('a command by filter changes what matches and nothing else', async (t) => {
  const outbox = await openPaused(t)
  const mine = await Promise.all([1, 2, 3].map(() => outbox.enqueueHl7(hl7(), { tags: { visit: 'V1' } })))
  const other = await outbox.enqueueHl7(hl7(), { tags: { visit: 'V2' } })
  const changed = await outbox.cancelMessages({ tags: { visit: 'V1' } }, by)
  assert.deepEqual([changed.count, new Set(changed.changed)], [3, new Set(mine.map(({ id }) => id))])
  assert.equal((await outbox.getMessage(other.id)).status, 'PENDING')
})

test('the answer of a command lists a thousand ids and counts all', async (t) => {
  const outbox = await openPaused(t)
  await outbox.enqueueHl7Batch(Array.from({ length: 1_200 }, () => ({ message: hl7() })))
  const changed = await outbox.cancelMessages({}, by)
  assert.deepEqual([changed.count, changed.changed.length], [1_200, 1_000])
})

test('a command without an actor, on a wrong destination or with a wrong filter is refused', async (t) => {
  const outbox = await open(t)
  for (const who of [undefined, null, {}, { actor: 1 }, { actor: '' }, { actor: ' ' }, { actor: 'x'.repeat(501) }, { actor: 'a', reason: 1 }, { actor: 'a', misspelt: 1 }, 'me']) {
    await refused(() => outbox.retryMessages({}, who), 'ERR_OPTION', `by ${JSON.stringify(who)}`)
    await refused(() => outbox.cancelMessages({}, who), 'ERR_OPTION', `by ${JSON.stringify(who)}`)
    await refused(() => outbox.pauseDestination('malaffi', who), 'ERR_OPTION', `by ${JSON.stringify(who)}`)
    await refused(() => outbox.resumeDestination('malaffi', who), 'ERR_OPTION', `by ${JSON.stringify(who)}`)
  }
  await refused(() => outbox.pauseDestination('misspelt', by), 'ERR_UNKNOWN_DESTINATION')
  await refused(() => outbox.resumeDestination('misspelt', by), 'ERR_UNKNOWN_DESTINATION')
  for (const filter of [undefined, null, [], 'all', { misspelt: 1 }, { status: 'LOST' }, { ids: 'x' }, { from: 'yesterday' }, { tags: [] }]) {
    await refused(() => outbox.retryMessages(filter, by), 'ERR_OPTION', `filter ${JSON.stringify(filter)}`)
  }
  await refused(() => outbox.retryMessages({ ids: ['no-id'] }, by), 'ERR_MESSAGE_ID')
  await refused(() => outbox.cancelMessages({ ids: Array(1_001).fill(NOBODY) }, by), 'ERR_OPTION')
})
