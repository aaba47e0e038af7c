// Lanes: one patient's messages one after another, patients beside each other, and why a message waits.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, flying, folder, open, openPaused, reach, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

test('each patient’s messages arrive one after another in the order of the calls, under random latency and with others at the same time', async (t) => {
  const taker = await receiver(t, { latency: { minMs: 0, maxMs: 12 } })
  const outbox = await open(t, taker.url, { concurrency: 16 })
  const calls = []
  for (let n = 0; n < 12; n++) for (let p = 0; p < 20; p++) calls.push(outbox.enqueueHl7(hl7({ control: `O${p}-${String(n).padStart(2, '0')}`, patient: `O-${p}` })))
  await Promise.all(calls)
  await count(outbox, 'ACKNOWLEDGED', 240)
  const arrivals = await taker.received()
  assert.equal(arrivals.length, 240)
  let beside = 0
  for (let p = 0; p < 20; p++) {
    const own = arrivals.filter(({ patient }) => patient === `O-${p}`)
    assert.deepEqual(own.map(({ controlId }) => controlId), Array.from({ length: 12 }, (_, n) => `O${p}-${String(n).padStart(2, '0')}`))
    for (let n = 1; n < own.length; n++) assert.ok(own[n].at >= own[n - 1].answeredAt, 'the next one left before the answer to the one before')
  }
  for (let n = 1; n < arrivals.length; n++) if (arrivals[n].at < arrivals[n - 1].answeredAt) beside++
  assert.ok(beside > 50, `patients did not go beside each other (${beside})`)
})

test('concurrency bounds how many attempts go on at once', async (t) => {
  const taker = await receiver(t, { latency: 15 })
  const outbox = await open(t, taker.url, { concurrency: 3 })
  await Promise.all(Array.from({ length: 24 }, (_, n) => outbox.enqueueHl7(hl7({ patient: `B-${n}` }))))
  await count(outbox, 'ACKNOWLEDGED', 24)
  const arrivals = await taker.received()
  const together = arrivals.map(({ at }) => arrivals.filter((other) => other.at <= at && other.answeredAt > at).length)
  assert.equal(Math.max(...together), 3)
})

test('a message that backs off blocks its own lane, says so, and delays nobody else', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { patient: 'STUCK' }, answer: { type: 'status', status: 500 } }] })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [3_600_000], jitter: 0 } })
  const stuck = await outbox.enqueueHl7(hl7({ patient: 'STUCK' }))
  const behind = await outbox.enqueueHl7(hl7({ patient: 'STUCK' }))
  const free = await outbox.enqueueHl7(hl7({ patient: 'FREE' }))
  await reach(outbox, free.id, 'ACKNOWLEDGED')
  const first = await until(outbox, async () => {
    const message = await outbox.getMessage(stuck.id)
    return message.waitingFor === 'due' ? message : null
  })
  assert.deepEqual([first.attempts, first.blockedBy, first.status], [1, null, 'PENDING'])
  assert.ok(Date.parse(first.dueAt) - Date.now() > 3_500_000)
  const second = await outbox.getMessage(behind.id)
  assert.deepEqual([second.waitingFor, second.blockedBy, second.tries], ['lane', stuck.id, 0])
})

test('after a dead letter its lane goes on', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'BAD' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const outbox = await open(t, taker.url)
  const bad = await outbox.enqueueHl7(hl7({ control: 'BAD', patient: 'L-1' }))
  const good = await outbox.enqueueHl7(hl7({ control: 'GOOD', patient: 'L-1' }))
  await reach(outbox, good.id, 'ACKNOWLEDGED')
  const message = await outbox.getMessage(bad.id)
  assert.equal(message.status, 'FAILED')
  assert.equal(message.overtaken, true)
})

test('a message waits for “paused” while its destination is paused, and leaves when it is resumed', async (t) => {
  const taker = await receiver(t)
  const outbox = await openPaused(t, taker.url)
  const { id, status } = await outbox.enqueueHl7(hl7())
  assert.equal(status, 'PENDING')
  assert.equal((await outbox.getMessage(id)).waitingFor, 'paused')
  const { state, reason, pending } = (await outbox.getHealth()).destinations.malaffi
  assert.deepEqual({ state, reason, pending }, { state: 'paused', reason: by.reason, pending: 1 })
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, id, 'ACKNOWLEDGED')
})

test('a pause holds after a restart and for every opener', async (t) => {
  const taker = await receiver(t)
  const settings = config(`${folder(t)}/outbox.db`, taker.url)
  const before = await door.Outbox.open(settings)
  await before.pauseDestination('malaffi', by)
  await before.close()
  const outbox = await open(t, taker.url, {}, { path: settings.path })
  const { id } = await outbox.enqueueHl7(hl7())
  await until(outbox, async () => (await outbox.getHealth()).dispatcher)
  assert.equal((await outbox.getMessage(id)).waitingFor, 'paused')
  assert.equal((await taker.received()).length, 0)
})

test('a message waits for “dispatcher” when no process sends', async (t) => {
  const outbox = await open(t, undefined, {}, { dispatch: false })
  const { id } = await outbox.enqueueHl7(hl7())
  assert.equal((await outbox.getMessage(id)).waitingFor, 'dispatcher')
  const health = await outbox.getHealth()
  assert.deepEqual([health.status, health.dispatcher, health.problems[0].code], ['degraded', null, 'no-dispatcher'])
})

test('a message waits for “disabled” when its destination is not enabled', async (t) => {
  const outbox = await open(t, undefined, { enabled: false })
  const { id } = await outbox.enqueueHl7(hl7())
  assert.equal((await outbox.getMessage(id)).waitingFor, 'disabled')
  assert.equal((await outbox.getHealth()).destinations.malaffi.state, 'disabled')
})

test('a message waits for “not-configured” when this process does not know its destination', async (t) => {
  const path = `${folder(t)}/outbox.db`
  const before = await door.Outbox.open(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false }))
  const { id } = await before.enqueueHl7(hl7())
  await before.close()
  const after = await door.Outbox.open({ path, destinations: { other: { url: 'http://127.0.0.1:9/' } }, log: { level: 'error' } })
  t.after(() => after.close())
  assert.equal((await after.getMessage(id)).waitingFor, 'not-configured')
})

test('a message waits for “breaker” while the receiver is down', async (t) => {
  const outbox = await open(t)
  const first = await outbox.enqueueHl7(hl7({ patient: 'A' }))
  const message = await until(outbox, async () => {
    const seen = await outbox.getMessage(first.id)
    return seen.waitingFor === 'breaker' ? seen : null
  })
  assert.equal(message.attempts, 0)
  assert.ok(message.tries >= 1)
})

test('a message waits for “rate” while the limit holds it back', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url, { rateLimit: { perSecond: 0.01 } })
  const { id } = await outbox.enqueueHl7(hl7())
  await until(outbox, async () => (await outbox.getMessage(id)).waitingFor === 'rate')
})

test('notBefore keeps a message out of its lane until its time', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const at = new Date(Date.now() + 400)
  const later = await outbox.enqueueHl7(hl7({ control: 'LATER', patient: 'N' }), { notBefore: at })
  const now = await outbox.enqueueHl7(hl7({ control: 'NOW', patient: 'N' }))
  const waiting = await outbox.getMessage(later.id)
  assert.deepEqual([waiting.waitingFor, waiting.dueAt], ['due', at.toISOString()])
  await reach(outbox, now.id, 'ACKNOWLEDGED')
  await reach(outbox, later.id, 'ACKNOWLEDGED')
  const arrivals = await taker.received()
  assert.deepEqual(arrivals.map(({ controlId }) => controlId), ['NOW', 'LATER'])
  assert.ok(Date.parse(arrivals[1].at) >= at.getTime())
})

test('an ordering key of the caller’s own replaces the patient, and null means no order', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'FIRST' }, answer: 'silent' }] })
  const outbox = await open(t, taker.url)
  const first = await outbox.enqueueHl7(hl7({ control: 'FIRST', patient: 'X' }), { orderingKey: 'one-key' })
  await flying(outbox, first.id)
  const same = await outbox.enqueueHl7(hl7({ patient: 'Y' }), { orderingKey: 'one-key' })
  const own = await outbox.enqueueHl7(hl7({ patient: 'X' }))
  const none = await outbox.enqueueHl7(hl7({ patient: 'Z' }), { orderingKey: null })
  await reach(outbox, own.id, 'ACKNOWLEDGED')
  await reach(outbox, none.id, 'ACKNOWLEDGED')
  assert.equal((await outbox.getMessage(same.id)).blockedBy, first.id)
})

test('orderBy takes a field of the message, or nothing', async (t) => {
  const outbox = await openPaused(t, undefined, { orderBy: 'PV1-3' })
  const [one, two] = [await outbox.enqueueHl7(hl7({ patient: 'A' })), await outbox.enqueueHl7(hl7({ patient: 'B' }))]
  assert.equal((await outbox.getMessage(two.id)).blockedBy, one.id)
  const free = await openPaused(t, undefined, { orderBy: null })
  const [, second] = [await free.enqueueHl7(hl7({ patient: 'A' })), await free.enqueueHl7(hl7({ patient: 'A' }))]
  assert.equal((await free.getMessage(second.id)).blockedBy, null)
})

test('a message without a patient has a lane of its own and a warning', async (t) => {
  const outbox = await openPaused(t)
  await outbox.enqueueHl7(hl7({ noPatient: true }))
  const { id } = await outbox.enqueueHl7(hl7({ noPatient: true }))
  const message = await outbox.getMessage(id)
  assert.deepEqual([message.warning, message.blockedBy], ['no-patient-id', null])
})

test('seq follows the order of the calls that nobody awaited, single ones and batches', async (t) => {
  const outbox = await openPaused(t)
  const calls = []
  for (let n = 0; n < 30; n++) calls.push(n % 5 === 0 ? outbox.enqueueHl7Batch([{ message: hl7() }, { message: hl7() }]) : outbox.enqueueHl7(hl7()))
  const ids = (await Promise.all(calls)).flat().map(({ id }) => id)
  const { items } = await outbox.listMessages({ order: 'oldest', limit: 100 })
  assert.deepEqual(items.map(({ id }) => id), ids)
  assert.deepEqual(items.map(({ seq }) => seq), items.map(({ seq }) => seq).toSorted((a, b) => a - b))
})
