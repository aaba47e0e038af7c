// From the receiver's answer to what becomes of the message and of its destination.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, count, open, reach, until } from '../support/outbox.mjs'
import { bytesOf, receiver } from '../support/receiver.mjs'

const state = async (outbox) => (await outbox.getHealth()).destinations.malaffi
const reachState = (outbox, wanted) => until(outbox, async () => {
  const seen = await state(outbox)
  return seen.state === wanted ? seen : null
}, wanted)

test('refusals become dead letters with the receiver’s codes, and hold nobody up', async (t) => {
  const taker = await receiver(t, {
    rules: [
      { when: { controlId: 'AE' }, answer: { type: 'ae', errors: [{ code: '103', location: 'PV1^1^7', applicationCode: '1014' }] } },
      { when: { controlId: 'AR' }, answer: { type: 'ar', errors: [{ code: '200' }] } },
      { when: { controlId: 'CE' }, answer: { type: 'ce', errors: [{ code: '101' }] } },
      { when: { controlId: 'H400' }, answer: { type: 'status', status: 400 } },
      { when: { controlId: 'H200AE' }, answer: { type: 'status', status: 200, ack: 'AE' } },
    ],
  })
  const outbox = await open(t, taker.url)
  const failure = async (control) => {
    const { id } = await outbox.enqueueHl7(hl7({ control, patient: 'REFUSED' }))
    return (await reach(outbox, id, 'FAILED')).failure
  }
  const ae = await failure('AE-1')
  assert.deepEqual([ae.reason, ae.ackCode, ae.httpStatus], ['rejected', 'AE', 200])
  assert.ok(ae.errCodes.includes('103') && ae.errCodes.includes('1014'), JSON.stringify(ae))
  assert.deepEqual((await failure('AR-1')).ackCode, 'AR')
  assert.deepEqual((await failure('CE-1')).ackCode, 'CE')
  const bad = await failure('H400-1')
  assert.deepEqual([bad.reason, bad.httpStatus], ['rejected', 400])
  assert.equal((await failure('H200AE-1')).reason, 'rejected')
  const { id } = await outbox.enqueueHl7(hl7({ patient: 'REFUSED' }))
  const good = await reach(outbox, id, 'ACKNOWLEDGED')
  assert.equal(good.failure, null)
  assert.equal((await state(outbox)).state, 'ok')
})

test('a 2xx without an acknowledgement is SENT, a commit accept too, and with requireHl7Ack it is not enough', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'CA' }, answer: 'ca' }], answer: { type: 'empty', status: 202 } })
  const outbox = await open(t, taker.url)
  for (const control of ['PLAIN', 'CA']) {
    const { id } = await outbox.enqueueHl7(hl7({ control }))
    const message = await reach(outbox, id, 'SENT')
    assert.ok(message.sentAt !== null && message.acknowledgedAt === null)
  }
  const strict = await open(t, taker.url, { requireHl7Ack: true, retry: { scheduleMs: [10], maxIndeterminate: 2 } })
  const { id } = await strict.enqueueHl7(hl7({ control: 'STRICT' }))
  assert.equal((await reach(strict, id, 'FAILED')).failure.reason, 'indeterminate')
})

test('HTTP 500 is tried again after the schedule, and every attempt is on record', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 2 }, answer: { type: 'status', status: 500, body: 'invented trouble' } }] })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [60, 120], jitter: 0 } })
  const { id } = await outbox.enqueueHl7(hl7())
  const message = await reach(outbox, id, 'ACKNOWLEDGED')
  assert.deepEqual([message.attempts, message.tries, message.possibleDuplicate], [3, 3, false])
  const attempts = await outbox.getAttempts(id)
  assert.deepEqual(attempts.map(({ n, outcome, httpStatus, counted, manual }) => [n, outcome, httpStatus, counted, manual]), [
    [1, 'retry', 500, true, false],
    [2, 'retry', 500, true, false],
    [3, 'accepted', 200, true, false],
  ])
  assert.ok(attempts.every(({ startedAt, endedAt, bytesSent }) => startedAt <= endedAt && bytesSent > 0))
  const [one, two, three] = (await taker.received()).map(({ at }) => Date.parse(at))
  assert.ok(two - one >= 59 && three - two >= 119, `${two - one}, ${three - two} ms`)
  assert.equal(Buffer.from(await outbox.getAnswer(id, 1)).toString().trim(), 'invented trouble')
  assert.match(Buffer.from(await outbox.getAnswer(id, 3)).toString(), /\rMSA\|AA\|/)
  assert.equal(await outbox.getAnswer(id, 9), null)
  assert.equal((await outbox.getStats()).retries24h.automatic, 2)
})

test('spent attempts make a dead letter, and a message’s own limit wins', async (t) => {
  const taker = await receiver(t, { answer: { type: 'status', status: 500 } })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [5], jitter: 0, maxAttempts: 3 } })
  const [usual, own] = [await outbox.enqueueHl7(hl7({ patient: 'U' })), await outbox.enqueueHl7(hl7({ patient: 'O' }), { maxAttempts: 1 })]
  const first = await reach(outbox, usual.id, 'FAILED')
  assert.deepEqual([first.failure.reason, first.failure.httpStatus, first.attempts], ['exhausted', 500, 3])
  assert.equal((await reach(outbox, own.id, 'FAILED')).attempts, 1)
})

test('while the receiver is down no attempt is spent, and delivery resumes by itself in order', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [10], maxAttempts: 1 } })
  await taker.behave({ outages: [{ kind: 'refuse', forMs: 1_200 }] })
  await new Promise((resolve) => setTimeout(resolve, 80))
  const sent = await Promise.all(['1', '2', '3'].map((n) => outbox.enqueueHl7(hl7({ control: `DOWN${n}`, patient: 'D' }))))
  const { reason, pending } = await reachState(outbox, 'breaker-open')
  assert.equal(typeof reason, 'string')
  assert.equal(pending, 3)
  const health = await outbox.getHealth()
  assert.equal(health.status, 'degraded')
  assert.ok(health.problems.some(({ message }) => message.includes('malaffi')))
  await count(outbox, 'ACKNOWLEDGED', 3)
  const first = await outbox.getMessage(sent[0].id)
  assert.equal(first.attempts, 1)
  assert.ok(first.tries >= 2)
  assert.ok((await outbox.getAttempts(sent[0].id)).slice(0, -1).every(({ outcome, counted }) => outcome === 'unreachable' && !counted))
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['DOWN1', 'DOWN2', 'DOWN3'])
  assert.equal((await reachState(outbox, 'ok')).pending, 0)
})

test('503 with Retry-After rests the destination that long and spends nothing', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: { type: 'status', status: 503, retryAfter: '1' } }] })
  const outbox = await open(t, taker.url)
  const { id } = await outbox.enqueueHl7(hl7())
  await reachState(outbox, 'throttled')
  const message = await reach(outbox, id, 'ACKNOWLEDGED')
  assert.deepEqual([message.attempts, message.tries], [1, 2])
  const [first, second] = (await taker.received()).map(({ at }) => Date.parse(at))
  assert.ok(second - first >= 990, `${second - first} ms`)
})

test('401 means a wrong set-up, not a wrong message; a manual retry probes at once', async (t) => {
  const taker = await receiver(t, { answer: { type: 'status', status: 401 } })
  const outbox = await open(t, taker.url)
  const [first, other] = [await outbox.enqueueHl7(hl7({ patient: 'A' })), await outbox.enqueueHl7(hl7({ patient: 'B' }))]
  await reachState(outbox, 'misconfigured')
  await until(outbox, async () => !(await outbox.getMessage(first.id)).inFlight && !(await outbox.getMessage(other.id)).inFlight)
  const message = await outbox.getMessage(first.id)
  assert.deepEqual([message.status, message.attempts, message.waitingFor], ['PENDING', 0, 'breaker'])
  await taker.behave({})
  const changed = await outbox.retryMessages({ ids: [first.id] }, by)
  assert.deepEqual(changed, { changed: [first.id], unchanged: [], count: 1 })
  await reach(outbox, first.id, 'ACKNOWLEDGED')
  await reach(outbox, other.id, 'ACKNOWLEDGED')
  await reachState(outbox, 'ok')
})

test('no proof after the last byte: the same bytes go out again, and only we know the mark', async (t) => {
  for (const reset of [false, true]) {
    const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: { type: 'closeAfterBody', reset } }] })
    const outbox = await open(t, taker.url)
    const text = hl7({ arabic: true })
    const { id } = await outbox.enqueueHl7(text)
    const message = await reach(outbox, id, 'ACKNOWLEDGED')
    assert.equal(message.possibleDuplicate, true)
    assert.deepEqual((await outbox.getAttempts(id)).map(({ outcome }) => outcome), ['indeterminate', 'accepted'])
    const arrivals = await taker.received()
    assert.equal(arrivals.length, 2)
    assert.ok(arrivals.every((arrival) => bytesOf(arrival).equals(Buffer.from(text))))
    assert.deepEqual(arrivals[0].headers, arrivals[1].headers)
    assert.deepEqual((await outbox.listMessages({ possibleDuplicate: true })).items.map((one) => one.id), [id])
  }
})

test('a receiver that knows the control id already has the message, if an earlier attempt may have arrived', async (t) => {
  const known = { type: 'ae', errors: [{ code: '205', location: 'MSH^1^10' }] }
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: 'closeAfterBody' }], answer: known })
  const outbox = await open(t, taker.url)
  const { id } = await outbox.enqueueHl7(hl7({ control: 'TWICE' }))
  await reach(outbox, id, 'ACKNOWLEDGED')
  const fresh = await outbox.enqueueHl7(hl7({ control: 'FRESH' }))
  await reach(outbox, fresh.id, 'FAILED')
})

test('a receiver that knows the control id has the message also when a person retried it after its fate stayed unknown', async (t) => {
  const known = { type: 'ae', errors: [{ code: '205', location: 'MSH^1^10' }] }
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: 'closeAfterBody' }], answer: known })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [10], maxIndeterminate: 1 } })
  const { id } = await outbox.enqueueHl7(hl7({ control: 'UNKNOWN' }))
  assert.equal((await reach(outbox, id, 'FAILED')).failure.reason, 'indeterminate')
  await outbox.retryMessages({ ids: [id] }, by)
  const message = await until(outbox, async () => {
    const seen = await outbox.getMessage(id)
    return seen.tries === 2 && !seen.inFlight ? seen : null
  })
  assert.deepEqual([message.status, message.possibleDuplicate], ['ACKNOWLEDGED', true])
})

test('an answer about another message proves nothing', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: 'wrongControlId' }] })
  const outbox = await open(t, taker.url)
  const { id } = await outbox.enqueueHl7(hl7())
  assert.equal((await reach(outbox, id, 'ACKNOWLEDGED')).possibleDuplicate, true)
})

test('a captive portal, a redirect and a broken answer never count as accepted', async (t) => {
  const answers = ['captivePortal', { type: 'redirect', location: 'http://127.0.0.1:9/elsewhere' }, { type: 'garbage' }, { type: 'truncatedAck' }]
  for (const answer of answers) {
    const taker = await receiver(t, { answer })
    const outbox = await open(t, taker.url, { retry: { scheduleMs: [3_600_000], jitter: 0 } })
    const { id } = await outbox.enqueueHl7(hl7())
    await until(outbox, async () => (await outbox.getAttempts(id))[0]?.outcome)
    const message = await outbox.getMessage(id)
    assert.ok(['PENDING', 'FAILED'].includes(message.status), `${JSON.stringify(answer)}: ${message.status}`)
  }
})

test('a 200 of bytes that are neither HL7 nor text never counts as accepted', async (t) => {
  const taker = await receiver(t, { answer: { type: 'garbage', framed: true } })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [3_600_000], jitter: 0 } })
  const { id } = await outbox.enqueueHl7(hl7())
  await until(outbox, async () => (await outbox.getAttempts(id))[0]?.outcome)
  assert.equal((await outbox.getMessage(id)).status, 'PENDING')
})

test('a silent receiver is given up after totalMs, with an unknown end', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: 'silent' }] })
  const outbox = await open(t, taker.url, { timeouts: { totalMs: 150 } })
  const { id } = await outbox.enqueueHl7(hl7())
  const message = await reach(outbox, id, 'ACKNOWLEDGED')
  assert.equal(message.possibleDuplicate, true)
  const [{ startedAt, endedAt, outcome }] = await outbox.getAttempts(id)
  const lasted = Date.parse(endedAt) - Date.parse(startedAt)
  assert.equal(outcome, 'indeterminate')
  assert.ok(lasted >= 140 && lasted < 2_000, `${lasted} ms`)
})

test('a warning of the receiver is kept and the message counts as accepted', async (t) => {
  const taker = await receiver(t, { answer: { type: 'ae', errors: [{ code: '0', severity: 'W', text: 'an invented warning' }] } })
  const outbox = await open(t, taker.url)
  const { id } = await outbox.enqueueHl7(hl7())
  assert.notEqual((await reach(outbox, id, 'ACKNOWLEDGED')).warning, null)
  assert.deepEqual((await outbox.listMessages({ warning: true })).items.map((one) => one.id), [id])
})

test('an outcome can be overridden by the name of its row', async (t) => {
  const taker = await receiver(t, { answer: { type: 'status', status: 409 } })
  const outbox = await open(t, taker.url, { outcomes: { 'http-409': 'retry' }, retry: { scheduleMs: [5], maxAttempts: 2 } })
  const { id } = await outbox.enqueueHl7(hl7())
  const { failure, attempts } = await reach(outbox, id, 'FAILED')
  assert.deepEqual([failure.reason, attempts], ['exhausted', 2])
})

test('the rate limit holds, from an empty bucket on', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url, { rateLimit: { perSecond: 20, burst: 1 }, concurrency: 8 })
  await outbox.enqueueHl7Batch(Array.from({ length: 21 }, (_, n) => ({ message: hl7({ patient: `RATE-${n}` }) })))
  const arrivals = await taker.until(21)
  const lasted = Date.parse(arrivals.at(-1).at) - Date.parse(arrivals[0].at)
  assert.ok(lasted >= 950 && lasted < 3_000, `${lasted} ms for 20 intervals of 50 ms`)
  for (const { at } of arrivals) {
    const within = arrivals.filter((other) => Date.parse(other.at) >= Date.parse(at) && Date.parse(other.at) < Date.parse(at) + 500)
    assert.ok(within.length <= 13, `${within.length} in half a second`)
  }
})

test('headers are those of the configuration, with the control id where it is asked for', async (t) => {
  const taker = await receiver(t, {}, { bearer: 'not-a-real-token' })
  const headers = { 'X-Facility': 'MF0000', 'X-Twice': 'id {MSH-10}', 'Content-Type': 'x-application/hl7-v2+er7' }
  const outbox = await open(t, taker.url, { auth: { bearer: 'not-a-real-token' }, headers })
  const { id } = await outbox.enqueueHl7(hl7({ control: 'HEADERS' }))
  await reach(outbox, id, 'ACKNOWLEDGED')
  const [{ headers: seen }] = await taker.received()
  assert.deepEqual([seen['x-facility'], seen['x-twice'], seen['content-type'], seen['x-message-control-id']], ['MF0000', 'id HEADERS', 'x-application/hl7-v2+er7', 'HEADERS'])
})
