// Destinations that persons change while everything runs: kept in the file, followed by every process.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { rootCertificates } from 'node:tls'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, folder, open, openPaused, reach, refused, until } from '../support/outbox.mjs'
import { startApp } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const WITHIN_MS = 1_000

test('a new address reaches messages that wait already, within a second, also while the old one rests', async (t) => {
  const [wrong, right] = [await receiver(t, { answer: { type: 'status', status: 404 } }), await receiver(t)]
  const outbox = await open(t, wrong.url)
  const sent = []
  for (let n = 0; n < 5; n++) sent.push(await outbox.enqueueHl7(hl7({ patient: `A-${n % 2}` })))
  await until(outbox, async () => (await outbox.getHealth()).destinations.malaffi.state === 'misconfigured')
  const changed = Date.now()
  await outbox.configureDestination('malaffi', { url: right.url }, by)
  for (const { id } of sent) await reach(outbox, id, 'ACKNOWLEDGED')
  const arrivals = await right.received()
  assert.equal(arrivals.length, 5)
  assert.ok(Date.parse(arrivals[0].at) - changed < WITHIN_MS, `${Date.parse(arrivals[0].at) - changed} ms`)
})

test('enabled, concurrency, rate limit and schedule take effect on what waits', async (t) => {
  const taker = await receiver(t, { latency: 20 })
  const outbox = await open(t, taker.url, { enabled: false, concurrency: 1 })
  for (let n = 0; n < 12; n++) await outbox.enqueueHl7(hl7({ patient: `C-${n}` }))
  assert.equal((await outbox.getHealth()).destinations.malaffi.state, 'disabled')
  await outbox.configureDestination('malaffi', { concurrency: 6 }, by)
  await outbox.configureDestination('malaffi', { enabled: true }, by)
  await count(outbox, 'ACKNOWLEDGED', 12)
  const arrivals = await taker.received()
  const together = arrivals.map(({ at }) => arrivals.filter((other) => other.at <= at && other.answeredAt > at).length)
  assert.ok(Math.max(...together) > 1 && Math.max(...together) <= 6, `${Math.max(...together)} at once`)

  await outbox.configureDestination('malaffi', { rateLimit: { perSecond: 10, burst: 1 } }, by)
  for (let n = 0; n < 5; n++) await outbox.enqueueHl7(hl7({ patient: `R-${n}` }))
  await count(outbox, 'ACKNOWLEDGED', 17)
  const limited = (await taker.received()).slice(12).map(({ at }) => Date.parse(at))
  assert.ok(limited.at(-1) - limited[0] >= 350, `five in ${limited.at(-1) - limited[0]} ms`)

  await outbox.configureDestination('malaffi', { rateLimit: null, retry: { scheduleMs: [3_600_000] } }, by)
  await taker.behave({ answer: { type: 'status', status: 500 } })
  const { id } = await outbox.enqueueHl7(hl7())
  const waiting = await until(outbox, async () => {
    const message = await outbox.getMessage(id)
    return message.waitingFor === 'due' ? message : null
  })
  assert.ok(Date.parse(waiting.dueAt) - Date.now() > 3_000_000)
  await outbox.configureDestination('malaffi', { enabled: false }, by)
  const kept = await outbox.enqueueHl7(hl7())
  assert.equal((await outbox.getMessage(kept.id)).waitingFor, 'disabled')
})

test('what messages may enter, and how they are ordered, changes for the next enqueue', async (t) => {
  const outbox = await openPaused(t, undefined, { processingIds: ['P'] })
  await refused(() => outbox.enqueueHl7(hl7()), 'ERR_PROCESSING_ID')
  await outbox.configureDestination('malaffi', { processingIds: ['P', 'T'] }, by)
  const first = await outbox.enqueueHl7(hl7({ patient: 'SAME' }))
  const second = await outbox.enqueueHl7(hl7({ patient: 'SAME' }))
  assert.equal((await outbox.getMessage(second.id)).blockedBy, first.id)
  await outbox.configureDestination('malaffi', { orderBy: null }, by)
  const free = await outbox.enqueueHl7(hl7({ patient: 'SAME' }))
  assert.equal((await outbox.getMessage(free.id)).blockedBy, null)
})

test('changes add up, win over the start configuration, survive a restart, and end with a reset', async (t) => {
  const [configured, patched] = [await receiver(t), await receiver(t)]
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, configured.url, { processingIds: ['T'] })
  const first = await door.Outbox.open(settings)
  await first.configureDestination('malaffi', { url: patched.url }, by)
  await first.configureDestination('malaffi', { processingIds: ['D'] }, by)
  await first.close()
  const outbox = await door.Outbox.open(settings)
  t.after(() => outbox.close({ timeoutMs: 0 }))
  await refused(() => outbox.enqueueHl7(hl7()), 'ERR_PROCESSING_ID')
  const { id } = await outbox.enqueueHl7(hl7({ msh: { 11: 'D' } }))
  await reach(outbox, id, 'ACKNOWLEDGED')
  assert.deepEqual([(await patched.received()).length, (await configured.received()).length], [1, 0])
  await outbox.resetDestination('malaffi', by)
  await refused(() => outbox.enqueueHl7(hl7({ msh: { 11: 'D' } })), 'ERR_PROCESSING_ID')
  const after = await outbox.enqueueHl7(hl7())
  await reach(outbox, after.id, 'ACKNOWLEDGED')
  assert.equal((await configured.received()).length, 1)
  await outbox.resetDestination('malaffi', by)
})

test('another process follows within a second, the one that sends and the one that only stores', async (t) => {
  const [old, fresh] = [await receiver(t), await receiver(t)]
  const path = join(folder(t), 'outbox.db')
  const looker = await open(t, old.url, { processingIds: ['T'] }, { path, dispatch: false })
  const leader = await startApp(t, config(path, old.url, { processingIds: ['T'] }))
  await until(looker, async () => (await looker.getHealth()).dispatcher?.pid === leader.pid)
  await looker.configureDestination('malaffi', { url: fresh.url, processingIds: ['T', 'D'] }, by)
  const changed = Date.now()
  await until(looker, () => leader.call('enqueueHl7', hl7({ msh: { 11: 'D' } })).then(() => true, (error) => error.code !== 'ERR_PROCESSING_ID' && Promise.reject(error)))
  assert.ok(Date.now() - changed < WITHIN_MS, `${Date.now() - changed} ms`)
  await fresh.until(1)
  assert.equal((await old.received()).length, 0)
  await leader.call('resetDestination', 'malaffi', by)
  const reset = Date.now()
  await until(looker, () => looker.enqueueHl7(hl7({ msh: { 11: 'D' } })).then(() => false, ({ code }) => code === 'ERR_PROCESSING_ID'))
  assert.ok(Date.now() - reset < WITHIN_MS, `${Date.now() - reset} ms`)
})

test('a change that a process cannot follow leaves its destination as it was, and health says so until it is taken back', async (t) => {
  const taker = await receiver(t)
  const directory = folder(t)
  const path = join(directory, 'outbox.db')
  const caFile = join(directory, 'ca.pem')
  writeFileSync(caFile, rootCertificates[0])
  const outbox = await open(t, taker.url, {}, { path, dispatch: false })
  await outbox.configureDestination('malaffi', { url: 'https://127.0.0.1:9/', tls: { caFile } }, by)
  assert.ok(!(await outbox.getHealth()).problems.some(({ code }) => code === 'configuration'))
  rmSync(caFile)
  const app = await startApp(t, config(path, taker.url))
  const problem = async () => (await app.call('getHealth')).problems.find(({ code }) => code === 'configuration')
  const found = await problem()
  assert.match(found.message, /malaffi/)
  assert.match(found.remedy, /resetDestination/)
  assert.equal((await app.call('getHealth')).status, 'degraded')
  const { id } = await app.call('enqueueHl7', hl7())
  await reach(outbox, id, 'ACKNOWLEDGED')
  await outbox.resetDestination('malaffi', by)
  await until(outbox, async () => (await problem()) === undefined)
})

test('a bad change is refused by name and changes nothing', async (t) => {
  const outbox = await openPaused(t)
  const wrong = [
    [{}, /no key/], [{ concurency: 2 }, /concurency/], [{ concurrency: 0 }, /concurrency/], [{ concurrency: 'many' }, /concurrency/], [{ url: 'http://hl7.example/' }, /url/], [{ url: 'nowhere' }, /url/],
    [{ url: 'https://user:secret@hl7.example/' }, /url/], [{ rateLimit: { perSecond: 0 } }, /rateLimit/], [{ retry: { scheduleMs: [] } }, /scheduleMs/], [{ retry: { maxAttempts: 0 } }, /maxAttempts/],
    [{ orderBy: 'PID' }, /orderBy/], [{ outcomes: { 'no-such-row': 'retry' } }, /outcomes/], [{ url: 'https://127.0.0.1:9/', tls: { caFile: '/nowhere/ca.pem' } }, /caFile/], [{ afterFailure: 'stop' }, /afterFailure/], [{ processingIds: 'T' }, /processingIds/],
  ]
  for (const [patch, name] of wrong) assert.match((await refused(() => outbox.configureDestination('malaffi', patch, by), undefined, JSON.stringify(patch))).message, name)
  for (const patch of [undefined, null, [], 'url', 1, { concurrency: NaN }, { url: () => 1 }]) await refused(() => outbox.configureDestination('malaffi', patch, by), 'ERR_OPTION')
  for (const who of [undefined, {}, { actor: ' ' }]) {
    await refused(() => outbox.configureDestination('malaffi', { concurrency: 2 }, who), 'ERR_OPTION')
    await refused(() => outbox.resetDestination('malaffi', who), 'ERR_OPTION')
  }
  for (const name of ['misspelt', '']) {
    await refused(() => outbox.configureDestination(name, { concurrency: 2 }, by), 'ERR_UNKNOWN_DESTINATION')
    await refused(() => outbox.resetDestination(name, by), 'ERR_UNKNOWN_DESTINATION')
  }
  await outbox.enqueueHl7(hl7())
  assert.equal((await outbox.getHealth()).destinations.malaffi.pending, 1)
})

test('credentials are refused, by name and never by value, so that the file does not hold them', async (t) => {
  const outbox = await open(t)
  const secret = 'invented-secret'
  const wrong = [[{ auth: { bearer: secret } }, 'auth'], [{ auth: { basic: { user: 'u', password: secret } } }, 'auth'], [{ headers: { authorization: secret } }, 'authorization'], [{ headers: { 'X-API-Key': secret } }, 'X-API-Key'], [{ headers: { 'X-Auth-Token': secret } }, 'X-Auth-Token'], [{ headers: { Cookie: secret } }, 'Cookie']]
  for (const [patch, name] of wrong) {
    const { message } = await refused(() => outbox.configureDestination('malaffi', patch, by), 'ERR_OPTION')
    assert.ok(message.includes(name) && !message.includes(secret), message)
  }
  await outbox.configureDestination('malaffi', { headers: { 'X-Facility': 'MF0000' } }, by)
})

test('what the start configuration keeps secret goes on under a change', async (t) => {
  const taker = await receiver(t, {}, { bearer: 'invented-token' })
  const outbox = await open(t, taker.url, { auth: { bearer: 'invented-token' } })
  await outbox.configureDestination('malaffi', { concurrency: 2 }, by)
  const { id } = await outbox.enqueueHl7(hl7())
  await reach(outbox, id, 'ACKNOWLEDGED')
})
