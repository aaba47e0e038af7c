// Corrections: a message with a new MSH-10 takes the place of one that was refused or is on hold.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, door, flying, folder, open, openPaused, quick, reach, refused, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const NOBODY = '01900000-0000-7000-8000-000000000000'
const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const refusing = (...controlIds) => ({ rules: controlIds.map((controlId) => ({ when: { controlId }, answer: REFUSE })) })
const order = async (taker) => (await taker.received()).map(({ controlId }) => controlId)

/** Pauses the destination, and waits until what was in flight has ended. */
async function pause(outbox) {
  await outbox.pauseDestination('malaffi', by)
  await until(outbox, async () => (await outbox.getHealth()).destinations.malaffi.inFlight === 0)
}

test('the correction of a dead letter goes before the later messages of its lane that still wait', async (t) => {
  const taker = await receiver(t, refusing('WRONG'))
  const outbox = await open(t, taker.url)
  const wrong = await outbox.enqueueHl7(hl7({ control: 'WRONG', patient: 'RP-1' }), { tags: { visit: 'V-1' }, priority: 'urgent' })
  await reach(outbox, wrong.id, 'FAILED')
  await pause(outbox)
  const later = await outbox.enqueueHl7(hl7({ control: 'LATER', patient: 'RP-1' }))
  const right = await outbox.replaceMessage(wrong.id, hl7({ control: 'RIGHT', patient: 'RP-1' }), by)
  assert.deepEqual({ ...right, id: '' }, { id: '', controlId: 'RIGHT', destination: 'malaffi', status: 'PENDING', duplicate: false })
  const [old, correction, behind] = await Promise.all([wrong, right, later].map(({ id }) => outbox.getMessage(id)))
  assert.deepEqual([old.status, old.replacedBy, old.replaces, old.failure], ['CANCELLED', right.id, null, null])
  assert.deepEqual([correction.replaces, correction.replacedBy, correction.tags, correction.priority], [wrong.id, null, { visit: 'V-1' }, 'urgent'])
  assert.equal(correction.overtaken, false)
  assert.equal(behind.blockedBy, right.id)
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, later.id, 'ACKNOWLEDGED')
  assert.deepEqual(await order(taker), ['WRONG', 'RIGHT', 'LATER'])
})

test('the correction of a message on hold is sent in its place, also behind a backlog that was not looked at', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url, { concurrency: 1 })
  for (let n = 0; n < 30; n++) await outbox.enqueueHl7(hl7({ control: `BACK${n}`, patient: `B-${n % 10}` }))
  const first = await outbox.enqueueHl7(hl7({ control: 'FIRST', patient: 'RH' }))
  const held = await outbox.enqueueHl7(hl7({ control: 'HELD', patient: 'RH' }), { hold: true })
  const last = await outbox.enqueueHl7(hl7({ control: 'LAST', patient: 'RH' }))
  const right = await outbox.replaceMessage(held.id, hl7({ control: 'RIGHT', patient: 'RH' }), by)
  assert.equal((await outbox.getMessage(right.id)).blockedBy, first.id)
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, last.id, 'ACKNOWLEDGED')
  const arrived = await order(taker)
  assert.deepEqual(arrived.filter((id) => !id.startsWith('BACK')), ['FIRST', 'RIGHT', 'LAST'])
  for (let p = 0; p < 10; p++) {
    const own = arrived.filter((id) => id.startsWith('BACK') && Number(id.slice(4)) % 10 === p)
    assert.deepEqual(own, [`BACK${p}`, `BACK${p + 10}`, `BACK${p + 20}`])
  }
})

test('a message in flight is let end before the correction of an earlier one goes', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'WRONG' }, answer: REFUSE }, { when: { controlId: 'FLIGHT' }, answer: { type: 'late', afterMs: 400 } }] })
  const outbox = await open(t, taker.url)
  const wrong = await outbox.enqueueHl7(hl7({ control: 'WRONG', patient: 'RF' }))
  const flight = await outbox.enqueueHl7(hl7({ control: 'FLIGHT', patient: 'RF' }))
  await flying(outbox, flight.id)
  const right = await outbox.replaceMessage(wrong.id, hl7({ control: 'RIGHT', patient: 'RF' }), by)
  assert.deepEqual((await outbox.getMessage(right.id)).blockedBy, flight.id)
  await reach(outbox, right.id, 'ACKNOWLEDGED')
  const arrivals = await taker.received()
  assert.deepEqual(arrivals.map(({ controlId }) => controlId), ['WRONG', 'FLIGHT', 'RIGHT'])
  assert.ok(arrivals[2].at >= arrivals[1].answeredAt)
})

test('a correction may be refused and corrected in its turn, and stays in the first one’s place', async (t) => {
  const taker = await receiver(t, refusing('WRONG'))
  const outbox = await open(t, taker.url)
  const one = await outbox.enqueueHl7(hl7({ control: 'WRONG1', patient: 'RC' }))
  await reach(outbox, one.id, 'FAILED')
  const two = await outbox.replaceMessage(one.id, hl7({ control: 'WRONG2', patient: 'RC' }), by)
  await reach(outbox, two.id, 'FAILED')
  await pause(outbox)
  const later = await outbox.enqueueHl7(hl7({ control: 'LATER', patient: 'RC' }))
  const three = await outbox.replaceMessage(two.id, hl7({ control: 'RIGHT', patient: 'RC' }), by)
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, later.id, 'ACKNOWLEDGED')
  assert.deepEqual(await order(taker), ['WRONG1', 'WRONG2', 'RIGHT', 'LATER'])
  const chain = await Promise.all([one, two, three].map(({ id }) => outbox.getMessage(id)))
  assert.deepEqual(chain.map(({ replacedBy }) => replacedBy), [two.id, three.id, null])
  assert.deepEqual(chain.map(({ replaces }) => replaces), [null, one.id, two.id])
})

test('the same correction again is a duplicate; another one, and bytes that are stored otherwise, are refused', async (t) => {
  const outbox = await openPaused(t)
  const held = await outbox.enqueueHl7(hl7({ control: 'OLD', patient: 'RD' }), { hold: true })
  const other = await outbox.enqueueHl7(hl7({ control: 'OTHER', patient: 'RD' }), { hold: true })
  const text = hl7({ control: 'RIGHT', patient: 'RD' })
  const right = await outbox.replaceMessage(held.id, text, by)
  assert.deepEqual(await outbox.replaceMessage(held.id, text, by), { ...right, duplicate: true })
  await refused(() => outbox.replaceMessage(held.id, hl7({ control: 'SECOND', patient: 'RD' }), by), 'ERR_STATE')
  await refused(() => outbox.replaceMessage(other.id, text, by), 'ERR_CONTROL_ID_CONFLICT', 'the correction of another message')
  await refused(() => outbox.replaceMessage(other.id, hl7({ control: 'OTHER', patient: 'RD' }), by), 'ERR_CONTROL_ID_CONFLICT', 'itself')
  await refused(() => outbox.replaceMessage(other.id, hl7({ control: 'RIGHT', patient: 'RX' }), by), 'ERR_CONTROL_ID_CONFLICT', 'other bytes')
  assert.equal((await outbox.getMessage(other.id)).status, 'HELD')
  assert.equal((await outbox.listMessages()).items.length, 3)
})

test('what is neither a dead letter nor on hold cannot be replaced', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'FLIGHT' }, answer: { type: 'late', afterMs: 500 } }, { when: { controlId: 'SENT' }, answer: 'empty' }] })
  const outbox = await open(t, taker.url)
  const ids = {}
  for (const name of ['SENT', 'ACKNOWLEDGED', 'CANCELLED', 'PENDING', 'FLIGHT']) {
    const options = name === 'CANCELLED' || name === 'PENDING' ? { notBefore: new Date(Date.now() + 3_600_000) } : {}
    ids[name] = (await outbox.enqueueHl7(hl7({ control: name, patient: name }), options)).id
  }
  await outbox.cancelMessages({ ids: [ids.CANCELLED] }, by)
  await reach(outbox, ids.SENT, 'SENT')
  await reach(outbox, ids.ACKNOWLEDGED, 'ACKNOWLEDGED')
  await flying(outbox, ids.FLIGHT)
  for (const name of Object.keys(ids)) await refused(() => outbox.replaceMessage(ids[name], hl7({ patient: name }), by), 'ERR_STATE', name)
  await refused(() => outbox.replaceMessage(NOBODY, hl7(), by), 'ERR_MESSAGE_ID')
  await refused(() => outbox.replaceMessage('no-id', hl7(), by), 'ERR_MESSAGE_ID')
  await outbox.purgeMessages({ ids: [ids.CANCELLED] }, by)
  await refused(() => outbox.replaceMessage(ids.CANCELLED, hl7(), by), 'ERR_MESSAGE_ID', 'a tombstone')
  for (const who of [undefined, {}, { actor: '' }, { ...by, allowOvertaken: true }]) await refused(() => outbox.replaceMessage(ids.SENT, hl7(), who), 'ERR_OPTION')
  for (const wrong of [undefined, null, 1, {}, []]) await refused(() => outbox.replaceMessage(ids.SENT, wrong, by), 'ERR_OPTION')
  assert.equal((await outbox.listMessages()).items.length, 4)
})

test('a correction is held to the rules of its own destination, and one that is refused leaves everything as it was', async (t) => {
  const outbox = await door.Outbox.open({
    path: join(folder(t), 'outbox.db'),
    destinations: { live: { url: 'http://127.0.0.1:9/', processingIds: ['P'], enabled: false }, test: { url: 'http://127.0.0.1:9/', processingIds: ['T'], enabled: false } },
    defaultDestination: 'test',
    log: { level: 'error' },
  })
  t.after(() => outbox.close({ timeoutMs: 0 }))
  const held = await outbox.enqueueHl7(hl7({ control: 'OLD', msh: { 11: 'P' } }), { destination: 'live', hold: true })
  await refused(() => outbox.replaceMessage(held.id, hl7(), by), 'ERR_PROCESSING_ID')
  await refused(() => outbox.replaceMessage(held.id, 'PID|1', by), 'ERR_HL7_NOT_MSH')
  assert.deepEqual([(await outbox.getMessage(held.id)).status, (await outbox.listMessages()).items.length], ['HELD', 1])
  const right = await outbox.replaceMessage(held.id, hl7({ control: 'RIGHT', msh: { 11: 'P' } }), by)
  assert.deepEqual([right.destination, (await outbox.getMessage(right.id)).destination], ['live', 'live'])
})

test('the correction that names another patient goes to the end of that patient’s lane', async (t) => {
  const taker = await receiver(t, refusing('WRONG'))
  const outbox = await open(t, taker.url)
  const wrong = await outbox.enqueueHl7(hl7({ control: 'WRONG', patient: 'SWAPPED' }))
  await reach(outbox, wrong.id, 'FAILED')
  await pause(outbox)
  const theirs = await outbox.enqueueHl7(hl7({ control: 'THEIRS', patient: 'TRUE' }))
  const right = await outbox.replaceMessage(wrong.id, hl7({ control: 'RIGHT', patient: 'TRUE' }), by)
  const after = await outbox.enqueueHl7(hl7({ control: 'AFTER', patient: 'TRUE' }))
  assert.equal((await outbox.getMessage(right.id)).blockedBy, theirs.id)
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, after.id, 'ACKNOWLEDGED')
  assert.deepEqual(await order(taker), ['WRONG', 'THEIRS', 'RIGHT', 'AFTER'])
})

test('what was replaced is not retried in bulk: its correction stands for it', async (t) => {
  const taker = await receiver(t, refusing('WRONG'))
  const outbox = await open(t, taker.url)
  const wrong = await outbox.enqueueHl7(hl7({ control: 'WRONG', patient: 'RB' }))
  await reach(outbox, wrong.id, 'FAILED')
  const right = await outbox.replaceMessage(wrong.id, hl7({ control: 'RIGHT', patient: 'RB' }), by)
  await reach(outbox, right.id, 'ACKNOWLEDGED')
  assert.deepEqual(await outbox.retryMessages({ status: 'CANCELLED' }, by), { changed: [], unchanged: [{ id: wrong.id, code: 'OVERTAKEN' }], count: 0 })
  assert.equal((await outbox.getMessage(wrong.id)).overtaken, true)
  assert.deepEqual(await order(taker), ['WRONG', 'RIGHT'])
  assert.equal((await outbox.retryMessages({ ids: [wrong.id] }, { ...by, allowOvertaken: true })).count, 1)
})

test('a correction is not refused for want of room when its message on hold makes room for it', async (t) => {
  const outbox = await open(t, undefined, { retry: quick, enabled: false }, { limits: { pendingMessages: 1 } })
  const held = await outbox.enqueueHl7(hl7({ control: 'OLD' }), { hold: true })
  await refused(() => outbox.enqueueHl7(hl7()), 'ERR_QUEUE_FULL')
  const right = await outbox.replaceMessage(held.id, hl7({ control: 'RIGHT' }), by)
  assert.equal(right.status, 'PENDING')
  assert.equal((await outbox.getStats()).byStatus.PENDING, 1)
})

test('the correction of a message with an ordering key of its own keeps that lane, and one without order stays without', async (t) => {
  const outbox = await openPaused(t)
  const held = await outbox.enqueueHl7(hl7({ patient: 'OK-1' }), { orderingKey: 'room', hold: true })
  const behind = await outbox.enqueueHl7(hl7({ patient: 'OK-2' }), { orderingKey: 'room' })
  const right = await outbox.replaceMessage(held.id, hl7({ patient: 'OK-3' }), by)
  assert.equal((await outbox.getMessage(behind.id)).blockedBy, right.id)
  const free = await outbox.enqueueHl7(hl7({ patient: 'OK-1' }), { orderingKey: null, hold: true })
  const freed = await outbox.replaceMessage(free.id, hl7({ patient: 'OK-4' }), by)
  const other = await outbox.enqueueHl7(hl7({ patient: 'OK-4' }))
  assert.deepEqual([(await outbox.getMessage(freed.id)).blockedBy, (await outbox.getMessage(other.id)).blockedBy], [null, null])
})
