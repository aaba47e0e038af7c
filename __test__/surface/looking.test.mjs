// Looking: one message, its bytes, lists, figures, health, and changes as they happen.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, open, openPaused, reach, refused, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const NOBODY = '01900000-0000-7000-8000-000000000000'

test('a message is found by its id and by its control id, with every field of the contract', async (t) => {
  const outbox = await openPaused(t)
  const { id, controlId, destination, status, duplicate } = await outbox.enqueueHl7(hl7({ type: 'ORU^R01' }), { tags: { visit: 'V-1' } })
  assert.deepEqual([destination, status, duplicate], ['malaffi', 'PENDING', false])
  const message = await outbox.getMessage(id)
  const names = ['id', 'seq', 'controlId', 'messageType', 'destination', 'status', 'inFlight', 'attempts', 'tries', 'possibleDuplicate', 'waitingFor', 'blockedBy', 'overtaken', 'warning', 'failure', 'priority', 'tags', 'replaces', 'replacedBy', 'createdAt', 'dueAt', 'sentAt', 'acknowledgedAt', 'updatedAt']
  assert.deepEqual(Object.keys(message).toSorted(), names.toSorted())
  assert.deepEqual([message.messageType, message.tags, message.priority, message.failure], ['ORU^R01', { visit: 'V-1' }, 'routine', null])
  for (const at of [message.createdAt, message.dueAt, message.updatedAt]) assert.equal(new Date(at).toISOString(), at)
  assert.deepEqual(await outbox.getMessage({ controlId }), message)
  assert.deepEqual(await outbox.getMessage({ controlId, destination: 'malaffi' }), message)
  assert.equal(await outbox.getMessage(NOBODY), null)
  assert.equal(await outbox.getMessage({ controlId: 'NONE' }), null)
})

test('the content is the bytes as they are sent, whatever their character set', async (t) => {
  const outbox = await openPaused(t)
  const arabic = hl7({ arabic: true })
  const latin = Buffer.from(hl7({ msh: { 18: '8859/1' }, note: 'caf\u00e9' }), 'latin1')
  for (const [given, stored] of [[arabic, Buffer.from(arabic)], [latin, latin], [new Uint8Array(latin.buffer, latin.byteOffset, latin.length), latin]]) {
    const { id } = await outbox.enqueueHl7(given)
    const content = await outbox.getMessageContent(id)
    assert.ok(content instanceof Uint8Array)
    assert.ok(Buffer.from(content).equals(stored))
    assert.ok(Buffer.from(await outbox.getMessageContent(id, by)).equals(stored))
  }
  assert.equal(await outbox.getMessageContent(NOBODY), null)
  assert.deepEqual(await outbox.getAttempts(NOBODY), [])
  assert.equal(await outbox.getAnswer(NOBODY, 1), null)
})

test('bytes that the caller changes after the call are stored as they were', async (t) => {
  const outbox = await openPaused(t)
  const bytes = Buffer.from(hl7())
  const before = Buffer.from(bytes)
  const stored = outbox.enqueueHl7(bytes)
  bytes.fill(0)
  assert.ok(Buffer.from(await outbox.getMessageContent((await stored).id)).equals(before))
})

test('LF and CRLF files, a BOM, blank lines and a missing last CR become the one stored form', async (t) => {
  const outbox = await openPaused(t)
  const text = hl7()
  const { id } = await outbox.enqueueHl7(text)
  const forms = [text.replaceAll('\r', '\n'), text.replaceAll('\r', '\r\n'), `\uFEFF${text}`, text.slice(0, -1), text.replaceAll('\r', '\n\n')]
  for (const form of forms) {
    const again = await outbox.enqueueHl7(form)
    assert.deepEqual([again.id, again.duplicate], [id, true], JSON.stringify(form.slice(0, 20)))
  }
  assert.equal(Buffer.from(await outbox.getMessageContent(id)).toString(), text)
  const kept = await outbox.enqueueHl7(hl7({ note: 'line one\nline two' }))
  assert.match(Buffer.from(await outbox.getMessageContent(kept.id)).toString(), /line one\nline two/)
})

test('pages by key have every message once, newest or oldest first, also while others come in', async (t) => {
  const outbox = await openPaused(t)
  const ids = (await outbox.enqueueHl7Batch(Array.from({ length: 95 }, () => ({ message: hl7() })))).map(({ id }) => id)
  for (const order of ['newest', 'oldest']) {
    const seen = []
    let pages = 0
    for (let cursor; cursor !== null; pages++) {
      const page = await outbox.listMessages({ order, limit: 10, ...(cursor === undefined ? {} : { cursor }) })
      assert.ok(page.items.length <= 10)
      seen.push(...page.items.map(({ id }) => id))
      if (pages < 5) await outbox.enqueueHl7(hl7())
      cursor = page.nextCursor
    }
    assert.equal(new Set(seen).size, seen.length, 'no message twice')
    assert.deepEqual(seen.filter((id) => ids.includes(id)), order === 'oldest' ? ids : ids.toReversed())
  }
  assert.equal((await outbox.listMessages()).items.length, 50)
})

test('every filter keeps what it names and nothing else, and all of them hold together', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'REF' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const outbox = await open(t, taker.url)
  const start = new Date(Date.now() - 1_000)
  const one = await outbox.enqueueHl7(hl7({ control: 'REF1', type: 'ADT^A04' }), { tags: { school: 'S1', visit: 'V1' } })
  const two = await outbox.enqueueHl7(hl7({ control: 'OK2', type: 'ORU^R01', patient: 'F-2' }), { tags: { school: 'S1', visit: 'V2' } })
  const three = await outbox.enqueueHl7(hl7({ control: 'OK3', noPatient: true }))
  const failed = await reach(outbox, one.id, 'FAILED')
  await reach(outbox, two.id, 'ACKNOWLEDGED')
  await reach(outbox, three.id, 'ACKNOWLEDGED')
  const found = async (filter) => (await outbox.listMessages({ order: 'oldest', ...filter })).items.map(({ controlId }) => controlId)
  assert.deepEqual(await found({ ids: [one.id, three.id, NOBODY] }), ['REF1', 'OK3'])
  assert.deepEqual(await found({ controlIds: ['OK2', 'NONE'] }), ['OK2'])
  assert.deepEqual(await found({ status: 'FAILED' }), ['REF1'])
  assert.deepEqual(await found({ status: ['FAILED', 'ACKNOWLEDGED'] }), ['REF1', 'OK2', 'OK3'])
  assert.deepEqual(await found({ destination: 'malaffi' }), ['REF1', 'OK2', 'OK3'])
  assert.deepEqual(await found({ destination: 'other' }), [])
  assert.deepEqual(await found({ messageType: 'ORU^R01' }), ['OK2'])
  assert.deepEqual(await found({ tags: { school: 'S1' } }), ['REF1', 'OK2'])
  assert.deepEqual(await found({ tags: { school: 'S1', visit: 'V2' } }), ['OK2'])
  assert.deepEqual(await found({ failureCode: failed.failure.code }), ['REF1'])
  assert.deepEqual(await found({ warning: true }), ['OK3'])
  assert.deepEqual(await found({ possibleDuplicate: true }), [])
  assert.deepEqual(await found({ from: start }), ['REF1', 'OK2', 'OK3'])
  assert.deepEqual(await found({ to: start.toISOString() }), [])
  assert.deepEqual(await found({ from: failed.createdAt, status: 'FAILED' }), ['REF1'])
  assert.deepEqual(await found({ to: failed.createdAt, status: 'FAILED' }), [])
  assert.deepEqual(await found({ status: 'ACKNOWLEDGED', tags: { school: 'S1' } }), ['OK2'])
  assert.deepEqual(await found({ ids: [] }), [])
})

test('wrong cursors, limits and filters of a list are refused', async (t) => {
  const outbox = await openPaused(t)
  await outbox.enqueueHl7Batch([{ message: hl7() }, { message: hl7() }])
  const { nextCursor } = await outbox.listMessages({ limit: 1 })
  for (const cursor of ['', 'x', '-1', `${nextCursor}x`, '9'.repeat(40), '\u0000']) await refused(() => outbox.listMessages({ cursor }), 'ERR_CURSOR', JSON.stringify(cursor))
  await refused(() => outbox.listMessages({ cursor: 1 }), undefined)
  for (const limit of [0, -1, 1_001, 1.5, '10', null, NaN]) await refused(() => outbox.listMessages({ limit }), 'ERR_OPTION', `limit ${limit}`)
  await refused(() => outbox.listMessages({ order: 'sideways' }), 'ERR_OPTION')
  await refused(() => outbox.listMessages({ misspelt: true }), 'ERR_OPTION')
})

test('figures count by state and destination, delivered and refused, and can be narrowed by tags', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'REF' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const outbox = await open(t, taker.url)
  const zero = await outbox.getStats()
  assert.deepEqual([zero.successRate24h, zero.deliveryMs, zero.oldestPendingAgeMs, zero.lastAttemptAt], [null, null, null, null])
  for (let n = 0; n < 3; n++) await outbox.enqueueHl7(hl7({ patient: `S-${n}` }), { tags: { school: n === 0 ? 'S1' : 'S2' } })
  const refusedOne = await outbox.enqueueHl7(hl7({ control: 'REF1', patient: 'S-9' }), { tags: { school: 'S1' } })
  await outbox.enqueueHl7(hl7(), { notBefore: new Date(Date.now() + 3_600_000) })
  await reach(outbox, refusedOne.id, 'FAILED')
  await until(outbox, async () => (await outbox.getStats()).byStatus.ACKNOWLEDGED === 3)
  const stats = await outbox.getStats()
  const counts = { PENDING: 1, HELD: 0, SENT: 0, ACKNOWLEDGED: 3, FAILED: 1, CANCELLED: 0 }
  assert.deepEqual(stats.byStatus, counts)
  assert.deepEqual(stats.byDestination, { malaffi: counts })
  assert.deepEqual(stats.delivered, { last1m: 3, last1h: 3, last24h: 3 })
  assert.equal(stats.successRate24h, 0.75)
  const { p50, p95, p99 } = stats.deliveryMs
  assert.ok(p50 >= 0 && p50 <= p95 && p95 <= p99 && p99 < 10_000)
  assert.ok(Date.now() - Date.parse(stats.lastAttemptAt) < 20_000)
  const narrow = await outbox.getStats({ tags: { school: 'S1' } })
  assert.deepEqual([narrow.byStatus.ACKNOWLEDGED, narrow.byStatus.FAILED, narrow.byStatus.PENDING, narrow.successRate24h], [1, 1, 0, 0.5])
  assert.equal((await outbox.getStats({ destination: 'other' })).byStatus.ACKNOWLEDGED, 0)
  for (const filter of [null, 1, [], { status: 'FAILED' }, { tags: 1 }]) await refused(() => outbox.getStats(filter === null ? 'x' : filter), 'ERR_OPTION')
})

test('health knows the file, the dispatcher and every destination', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  await until(outbox, async () => (await outbox.getHealth()).dispatcher?.here)
  const health = await outbox.getHealth()
  assert.deepEqual([health.status, health.problems], ['ok', []])
  assert.deepEqual([health.dispatcher.pid, health.dispatcher.here], [process.pid, true])
  assert.ok(health.dispatcher.beatAgeMs < 5_000)
  assert.deepEqual(Object.keys(health.destinations), ['malaffi'])
  assert.ok(health.file.path.endsWith('outbox.db') && health.file.bytes > 0 && health.file.diskFreeBytes > 0)
  const [major, minor] = health.file.sqliteVersion.split('.').map(Number)
  assert.ok(major === 3 && minor >= 51)
  assert.equal(health.file.schema, 2)
})

test('changes of status are heard after the commit, in order, until one unsubscribes', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'REF' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const outbox = await open(t, taker.url)
  const heard = []
  const unsubscribe = outbox.onStatusChange((change) => heard.push(change))
  const one = await outbox.enqueueHl7(hl7({ control: 'SEE1' }), { tags: { visit: 'V' } })
  await reach(outbox, one.id, 'ACKNOWLEDGED')
  const two = await outbox.enqueueHl7(hl7({ control: 'REF2' }))
  await reach(outbox, two.id, 'FAILED')
  await outbox.cancelMessages({ ids: [two.id] }, by)
  await until(outbox, () => heard.length >= 5)
  assert.deepEqual(heard.map(({ controlId, from, to }) => [controlId, from, to]), [
    ['SEE1', null, 'PENDING'],
    ['SEE1', 'PENDING', 'ACKNOWLEDGED'],
    ['REF2', null, 'PENDING'],
    ['REF2', 'PENDING', 'FAILED'],
    ['REF2', 'FAILED', 'CANCELLED'],
  ])
  assert.deepEqual(heard[1].tags, { visit: 'V' })
  assert.deepEqual([heard[1].attempts, heard[1].destination, heard[1].id], [1, 'malaffi', one.id])
  assert.equal(heard[3].failure.reason, 'rejected')
  assert.equal(new Set(heard.map(({ cursor }) => cursor)).size, 5)
  unsubscribe()
  unsubscribe()
  const last = await outbox.enqueueHl7(hl7({ control: 'UNHEARD' }))
  await reach(outbox, last.id, 'ACKNOWLEDGED')
  assert.equal(heard.length, 5)
})

test('a listener that throws disturbs neither the others nor the deliveries', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const warnings = []
  const onWarning = (warning) => warnings.push(warning)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))
  const heard = []
  t.after(outbox.onStatusChange(() => { throw new Error('an invented fault of a listener') }))
  t.after(outbox.onStatusChange(({ to }) => heard.push(to)))
  const { id } = await outbox.enqueueHl7(hl7())
  await reach(outbox, id, 'ACKNOWLEDGED')
  await until(outbox, () => heard.length === 2 && warnings.length >= 2)
  assert.deepEqual(heard, ['PENDING', 'ACKNOWLEDGED'])
  assert.match(warnings[0].message, /an invented fault of a listener/)
})

test('only a listener that is no function throws at once', async (t) => {
  const outbox = await open(t)
  for (const listener of [undefined, null, {}, 'x', 1]) assert.throws(() => outbox.onStatusChange(listener), { code: 'ERR_OPTION' })
})
