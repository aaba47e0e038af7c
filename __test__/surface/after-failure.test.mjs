// What a dead letter does to its lane: it goes on, or it waits for a person.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, open, reach } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const firstOnly = (controlId) => ({ rules: [{ when: { controlId, first: 1 }, answer: REFUSE }] })

/** A lane that stands still behind its dead letter, and another one that goes on. */
async function stopped(t, behaviour = firstOnly('WRONG')) {
  const taker = await receiver(t, behaviour)
  const outbox = await open(t, taker.url, { afterFailure: 'hold' })
  const [wrong, next, last] = await Promise.all(['WRONG', 'NEXT', 'LAST'].map((control) => outbox.enqueueHl7(hl7({ control, patient: 'AF' }))))
  const failed = await reach(outbox, wrong.id, 'FAILED')
  const free = await outbox.enqueueHl7(hl7({ control: 'FREE', patient: 'AF-2' }))
  await reach(outbox, free.id, 'ACKNOWLEDGED')
  return { taker, outbox, wrong, next, last, failed }
}

const order = async (taker) => (await taker.received()).map(({ controlId }) => controlId).filter((id) => id !== 'FREE')

test('with afterFailure hold the lane waits for a person, says for whom, and delays nobody else', async (t) => {
  const { taker, outbox, wrong, next, last } = await stopped(t)
  for (const { id } of [next, last]) {
    const { status, waitingFor, blockedBy } = await outbox.getMessage(id)
    assert.deepEqual([status, waitingFor, blockedBy], ['PENDING', 'lane', wrong.id])
  }
  const later = await outbox.enqueueHl7(hl7({ control: 'LATER', patient: 'AF' }))
  assert.equal((await outbox.getMessage(later.id)).blockedBy, wrong.id)
  await outbox.retryMessages({ ids: [next.id] }, by)
  assert.equal((await outbox.getMessage(next.id)).waitingFor, 'lane')
  assert.deepEqual(await order(taker), ['WRONG'])
})

test('a retry of the dead letter frees its lane, in order', async (t) => {
  const { taker, outbox, wrong, last } = await stopped(t)
  assert.equal((await outbox.retryMessages({ status: 'FAILED' }, by)).count, 1)
  await reach(outbox, last.id, 'ACKNOWLEDGED')
  assert.deepEqual(await order(taker), ['WRONG', 'WRONG', 'NEXT', 'LAST'])
  assert.equal((await outbox.getMessage(wrong.id)).status, 'ACKNOWLEDGED')
})

test('a correction of the dead letter frees its lane and goes first', async (t) => {
  const { taker, outbox, wrong, last } = await stopped(t)
  await outbox.replaceMessage(wrong.id, hl7({ control: 'RIGHT', patient: 'AF' }), by)
  await reach(outbox, last.id, 'ACKNOWLEDGED')
  assert.deepEqual(await order(taker), ['WRONG', 'RIGHT', 'NEXT', 'LAST'])
})

for (const method of ['cancelMessages', 'purgeMessages']) {
  test(`${method} on the dead letter frees its lane`, async (t) => {
    const { taker, outbox, wrong, last } = await stopped(t)
    assert.equal((await outbox[method]({ ids: [wrong.id] }, by)).count, 1)
    await reach(outbox, last.id, 'ACKNOWLEDGED')
    assert.deepEqual(await order(taker), ['WRONG', 'NEXT', 'LAST'])
  })
}

test('a dead letter that fails again stops its lane again', async (t) => {
  const { outbox, wrong, next } = await stopped(t, { rules: [{ when: { controlId: 'WRONG' }, answer: REFUSE }] })
  await outbox.retryMessages({ ids: [wrong.id] }, by)
  await reach(outbox, wrong.id, 'FAILED')
  const message = await outbox.getMessage(next.id)
  assert.deepEqual([message.blockedBy, message.tries], [wrong.id, 0])
})

test('what is held or deferred behind a dead letter and comes back waits for the same person', async (t) => {
  const { outbox, wrong, next, last } = await stopped(t)
  await outbox.holdMessages({ ids: [next.id] }, by)
  await outbox.releaseMessages({ ids: [next.id] }, by)
  const due = await outbox.enqueueHl7(hl7({ control: 'DUE', patient: 'AF' }), { notBefore: new Date(Date.now() + 300) })
  const free = await outbox.enqueueHl7(hl7({ patient: 'AF-3' }), { notBefore: new Date(Date.now() + 400) })
  await reach(outbox, free.id, 'ACKNOWLEDGED')
  for (const { id } of [next, last, due]) assert.equal((await outbox.getMessage(id)).blockedBy, wrong.id)
})

test('a message that expires is a dead letter like another: its lane waits', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url, { afterFailure: 'hold' })
  await outbox.pauseDestination('malaffi', by)
  const old = await outbox.enqueueHl7(hl7({ control: 'EXPIRED', patient: 'AE' }), { expiresInMs: 1 })
  const next = await outbox.enqueueHl7(hl7({ control: 'NEXT', patient: 'AE' }))
  const free = await outbox.enqueueHl7(hl7({ control: 'FREE', patient: 'AE-2' }))
  while (Date.now() <= Date.parse((await outbox.getMessage(old.id)).createdAt) + 1) await outbox.getMessage(old.id)
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, free.id, 'ACKNOWLEDGED')
  assert.equal((await reach(outbox, old.id, 'FAILED')).failure.reason, 'expired')
  assert.equal((await outbox.getMessage(next.id)).blockedBy, old.id)
  assert.deepEqual(await order(taker), [])
})

test('with afterFailure continue, the default, the lane goes on', async (t) => {
  const taker = await receiver(t, firstOnly('WRONG'))
  const outbox = await open(t, taker.url)
  const wrong = await outbox.enqueueHl7(hl7({ control: 'WRONG', patient: 'AC' }))
  const next = await outbox.enqueueHl7(hl7({ control: 'NEXT', patient: 'AC' }))
  await reach(outbox, next.id, 'ACKNOWLEDGED')
  const failed = await outbox.getMessage(wrong.id)
  assert.deepEqual([failed.status, failed.overtaken], ['FAILED', true])
})

test('messages without order have no lane that could wait', async (t) => {
  const taker = await receiver(t, firstOnly('WRONG'))
  const outbox = await open(t, taker.url, { afterFailure: 'hold', orderBy: null })
  const wrong = await outbox.enqueueHl7(hl7({ control: 'WRONG', patient: 'AN' }))
  await reach(outbox, wrong.id, 'FAILED')
  const next = await outbox.enqueueHl7(hl7({ control: 'NEXT', patient: 'AN' }))
  await reach(outbox, next.id, 'ACKNOWLEDGED')
})
