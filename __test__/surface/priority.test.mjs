// Between lanes: urgent ones first. Within a lane: never. And how long a message may wait at all.
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as elapse } from 'node:timers/promises'

import { hl7 } from '../support/messages.mjs'
import { by, count, open, openPaused, reach, refused } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const HOUR_MS = 3_600_000
const order = async (taker) => (await taker.received()).map(({ controlId }) => controlId)

test('the lane of an urgent message goes before routine ones that are older', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url, { concurrency: 1 })
  for (const control of ['R1', 'R2', 'R3']) await outbox.enqueueHl7(hl7({ control, patient: control }))
  const urgent = await outbox.enqueueHl7(hl7({ control: 'U1', patient: 'U1' }), { priority: 'urgent' })
  await outbox.enqueueHl7(hl7({ control: 'R4', patient: 'R4' }), { priority: 'routine' })
  assert.equal((await outbox.getMessage(urgent.id)).priority, 'urgent')
  await outbox.resumeDestination('malaffi', by)
  await count(outbox, 'ACKNOWLEDGED', 5)
  assert.deepEqual(await order(taker), ['U1', 'R1', 'R2', 'R3', 'R4'])
})

test('within a lane an urgent message never overtakes: what stands before it goes first, with its rank', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url, { concurrency: 1 })
  for (const control of ['R1', 'R2']) await outbox.enqueueHl7(hl7({ control, patient: control }))
  for (const control of ['A1', 'A2']) await outbox.enqueueHl7(hl7({ control, patient: 'A' }))
  await outbox.enqueueHl7(hl7({ control: 'A3', patient: 'A' }), { priority: 'urgent' })
  await outbox.enqueueHl7(hl7({ control: 'A4', patient: 'A' }))
  await outbox.resumeDestination('malaffi', by)
  await count(outbox, 'ACKNOWLEDGED', 6)
  assert.deepEqual(await order(taker), ['A1', 'A2', 'A3', 'R1', 'R2', 'A4'])
})

test('an urgent message does not wait for a backlog that was stored before it', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url, { concurrency: 1 })
  const backlog = Array.from({ length: 2_500 }, (_, n) => ({ message: hl7({ control: `B${n}`, patient: `B-${n % 700}` }) }))
  await outbox.enqueueHl7Batch(backlog)
  const urgent = await outbox.enqueueHl7(hl7({ control: 'URGENT', patient: 'U' }), { priority: 'urgent' })
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, urgent.id, 'ACKNOWLEDGED')
  const place = (await order(taker)).indexOf('URGENT')
  assert.ok(place < 10, `${place} messages went before it`)
})

test('a message that waited too long is a dead letter instead of being sent, by its own limit or by its destination’s', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url, { retry: { expiresInMs: 60 } })
  const given = await outbox.enqueueHl7(hl7({ control: 'AS-DESTINATION' }))
  const own = await outbox.enqueueHl7(hl7({ control: 'OWN' }), { expiresInMs: 1 })
  const longer = await outbox.enqueueHl7(hl7({ control: 'LONGER' }), { expiresInMs: HOUR_MS })
  const never = await outbox.enqueueHl7(hl7({ control: 'NEVER' }), { expiresInMs: null })
  await elapse(80)
  assert.equal((await outbox.getMessage(own.id)).status, 'PENDING', 'only a claim looks at the time')
  await outbox.resumeDestination('malaffi', by)
  for (const { id } of [given, own]) {
    const { failure, attempts, tries, status } = await reach(outbox, id, 'FAILED')
    assert.deepEqual([status, failure.reason, failure.code, attempts, tries], ['FAILED', 'expired', 'EXPIRED', 0, 0])
  }
  for (const { id } of [longer, never]) await reach(outbox, id, 'ACKNOWLEDGED')
  assert.deepEqual(new Set(await order(taker)), new Set(['LONGER', 'NEVER']))
})

test('the time is counted from the release, the date or the manual retry, if that is later', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url)
  const held = await outbox.enqueueHl7(hl7({ patient: 'E-1' }), { expiresInMs: 1_500, hold: true })
  const dated = await outbox.enqueueHl7(hl7({ patient: 'E-2' }), { expiresInMs: 1_500, notBefore: new Date(Date.now() + 1_000) })
  const retried = await outbox.enqueueHl7(hl7({ patient: 'E-3' }), { expiresInMs: 1_500 })
  const left = await outbox.enqueueHl7(hl7({ patient: 'E-4' }), { expiresInMs: 1_500 })
  await elapse(1_000)
  await outbox.releaseMessages({ ids: [held.id] }, by)
  await outbox.retryMessages({ ids: [retried.id] }, by)
  await elapse(600)
  await outbox.resumeDestination('malaffi', by)
  assert.equal((await reach(outbox, left.id, 'FAILED')).failure.reason, 'expired')
  for (const { id } of [held, dated, retried]) await reach(outbox, id, 'ACKNOWLEDGED')
  // The dead letter has its whole time again.
  assert.equal((await outbox.retryMessages({ ids: [left.id] }, by)).count, 1)
  await reach(outbox, left.id, 'ACKNOWLEDGED')
})

test('delays may grow by a factor up to a cap', async (t) => {
  const taker = await receiver(t, { answer: { type: 'status', status: 500 } })
  const outbox = await open(t, taker.url, { retry: { exponential: { firstMs: 100, factor: 3, capMs: 300 }, jitter: 0, maxAttempts: 4 } })
  const { id } = await outbox.enqueueHl7(hl7())
  assert.equal((await reach(outbox, id, 'FAILED')).failure.reason, 'exhausted')
  const attempts = await outbox.getAttempts(id)
  const waits = attempts.slice(1).map(({ startedAt }, n) => Date.parse(startedAt) - Date.parse(attempts[n].endedAt))
  assert.ok(waits[0] >= 100 && waits[1] >= 300 && waits[2] >= 300 && waits[2] < 900, waits.join(' '))
})

test('a growing delay without sense, or beside a schedule, is refused by name', async (t) => {
  const wrong = [{ exponential: { firstMs: 0, capMs: 1 } }, { exponential: { firstMs: 2, capMs: 1 } }, { exponential: { firstMs: 1 } }, { exponential: { firstMs: 1, capMs: 2, factor: 1 } }, { scheduleMs: [1], exponential: { firstMs: 1, capMs: 2 } }, { expiresInMs: 0 }]
  for (const retry of wrong) {
    const error = await refused(() => open(t, undefined, { retry }), 'ERR_CONFIG', JSON.stringify(retry))
    assert.match(error.message, /destinations\.malaffi\.retry/)
  }
  const error = await refused(() => open(t, undefined, { afterFailure: 'stop' }), 'ERR_CONFIG')
  assert.match(error.message, /destinations\.malaffi\.afterFailure/)
})
