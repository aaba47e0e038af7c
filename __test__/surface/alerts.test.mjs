// Alerts as a webhook and a callback get them: once when something begins, once when it ends, signed, without patients.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, folder, open, reach, refused, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { alertsFor, OTHER_SECRET, SECRET, webhook } from '../support/webhook.mjs'

const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const DROP = { outages: [{ kind: 'drop', forMs: 3_600_000 }] }
const problem = async (outbox) => (await outbox.getHealth()).problems.find(({ code }) => code === 'alert-undelivered')
const late = (outbox, pattern) => until(outbox, async () => pattern.exec((await problem(outbox))?.message ?? ''), String(pattern))

/** Words that stand in the messages of a test and nowhere else. */
const CANARIES = ['CANARY', 'Zzyx', 'Nowhere', 'TESTPATIENT', 'MF0000']

function withoutPatients(requests) {
  for (const { headers, body } of requests) {
    for (const word of CANARIES) assert.ok(!body.includes(word) && !JSON.stringify(headers).includes(word), `${word} in ${body}`)
  }
}

test('an outage is told once when it begins and once when it ends, signed, with how many messages wait', async (t) => {
  const taker = await receiver(t, DROP)
  const hook = await webhook(t)
  const outbox = await open(t, taker.url, {}, { alerts: alertsFor(hook) })
  await new Promise((resolve) => setTimeout(resolve, 60)) // a behaviour counts its outages from 50 ms later
  for (let n = 0; n < 3; n++) await outbox.enqueueHl7(hl7({ control: `CANARY${n}`, patient: `CANARY-${n}`, note: 'CANARY' }))
  const begun = await hook.got('outage', 'begun')
  const { id, at, since, host, summary, code, ...rest } = begun
  assert.deepEqual(rest, { type: 'outage', state: 'begun', outbox: 'outbox.db', destination: 'malaffi', reason: 'breaker-open', waiting: 3 })
  assert.match(code, /^[A-Z_]+$/)
  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.ok(host.length > 0 && Date.parse(at) >= Date.parse(since))
  assert.match(summary, /^malaffi is down \([A-Z_]+\): 3 messages wait$/)
  await taker.behave({})
  await outbox.retryMessages({ status: 'PENDING' }, by)
  await count(outbox, 'ACKNOWLEDGED', 3)
  const ended = await hook.got('outage', 'ended')
  assert.equal(ended.since, since)
  assert.notEqual(ended.id, id)
  assert.match(ended.summary, /^The outage of malaffi is over, after .*: 0 messages wait$/)
  // What comes later shows that nothing came twice.
  await outbox.pauseDestination('malaffi', by)
  await hook.got('paused', 'begun')
  assert.deepEqual(hook.told, ['outage begun', 'outage ended', 'paused begun'])
  withoutPatients(hook.requests)
})

test('a receiver that answers that it cannot is down too, and its outage is not over while it says so', async (t) => {
  const taker = await receiver(t, { answer: { type: 'ar', errors: [{ code: '207' }] } })
  const hook = await webhook(t)
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [10], jitter: 0 } }, { alerts: alertsFor(hook) })
  for (let n = 0; n < 5; n++) await outbox.enqueueHl7(hl7({ patient: `CANARY-${n}` }))
  const begun = await hook.got('outage', 'begun')
  assert.equal(begun.code, 'ACK_AR_207')
  // Probes that are answered so say nothing else.
  await taker.until((await taker.received()).length + 1)
  assert.deepEqual(hook.told, ['outage begun'])
  await taker.behave({})
  await outbox.retryMessages({ status: 'PENDING' }, by)
  await count(outbox, 'ACKNOWLEDGED', 5)
  await hook.got('outage', 'ended')
  assert.deepEqual(hook.told, ['outage begun', 'outage ended'])
})

test('the signature is what the specification says, over id, time and body, for every key', async (t) => {
  const hook = await webhook(t)
  const alerts = alertsFor(hook)
  alerts.webhooks[0].secret = [OTHER_SECRET, SECRET]
  const outbox = await open(t, undefined, {}, { alerts })
  await outbox.pauseDestination('malaffi', by)
  await hook.got('paused', 'begun')
  const [{ headers, body }] = hook.requests
  const signed = (secret) => `v1,${createHmac('sha256', Buffer.from(secret.slice('whsec_'.length), 'base64')).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64')}`
  assert.equal(headers['webhook-signature'], `${signed(OTHER_SECRET)} ${signed(SECRET)}`)
  assert.equal(headers['webhook-id'], JSON.parse(body).id)
  assert.equal(headers['content-type'], 'application/json')
  assert.equal(headers['x-message-control-id'], undefined)
  assert.ok(Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp'])) < 30)
})

test('the first refusal of a kind is told and not the next ones, and dead letters above their limit until they are fewer', async (t) => {
  const taker = await receiver(t, { answer: REFUSE })
  const hook = await webhook(t)
  const outbox = await open(t, taker.url, {}, { alerts: alertsFor(hook, { thresholds: { deadLetters: 2 } }) })
  const { id } = await outbox.enqueueHl7(hl7({ patient: 'CANARY-1', note: 'CANARY' }))
  await reach(outbox, id, 'FAILED')
  const first = await hook.got('refusal', 'begun')
  const { code } = (await outbox.getMessage(id)).failure
  assert.deepEqual([first.destination, first.code, first.count], ['malaffi', code, 1])
  for (let n = 2; n <= 3; n++) await outbox.enqueueHl7(hl7({ patient: `CANARY-${n}` }))
  const dead = await hook.got('dead-letters', 'begun')
  assert.deepEqual([dead.destination, dead.count, dead.limit], ['malaffi', 3, 2])
  await outbox.cancelMessages({ ids: [id] }, by)
  await hook.got('dead-letters', 'ended')
  await taker.behave({ answer: { type: 'ae', errors: [{ code: '101' }] } })
  await outbox.enqueueHl7(hl7({ patient: 'CANARY-4' }))
  const other = await hook.until(({ alerts }) => alerts.find((alert) => alert.type === 'refusal' && alert.code !== code))
  assert.equal(other.count, 1)
  assert.deepEqual(hook.alerts.filter(({ type }) => type === 'refusal').map((alert) => alert.code), [code, other.code])
  withoutPatients(hook.requests)
})

test('a pause is told without what the person wrote, and its end', async (t) => {
  const hook = await webhook(t)
  const outbox = await open(t, undefined, {}, { alerts: alertsFor(hook) })
  await outbox.pauseDestination('malaffi', { actor: 'CANARY', reason: 'CANARY asked for it' })
  const begun = await hook.got('paused', 'begun')
  assert.equal(begun.reason, 'person')
  await outbox.resumeDestination('malaffi', by)
  assert.match((await hook.got('paused', 'ended')).summary, /^The pause of malaffi is over/)
  withoutPatients(hook.requests)
})

test('an old message and a low disk are told with their figures', async (t) => {
  const hook = await webhook(t)
  const thresholds = { oldestWaitingMs: 1, diskFreeBytes: Number.MAX_SAFE_INTEGER, needsPersonMs: null }
  const outbox = await open(t, undefined, { enabled: false }, { alerts: alertsFor(hook, { thresholds }) })
  const { id } = await outbox.enqueueHl7(hl7())
  const disk = await hook.got('disk-low', 'begun')
  assert.ok(disk.freeBytes > 0 && disk.limit === Number.MAX_SAFE_INTEGER)
  const oldest = await hook.got('oldest-waiting', 'begun')
  assert.ok(oldest.ageMs > 1 && oldest.limit === 1 && oldest.destination === undefined)
  await outbox.cancelMessages({ ids: [id] }, by)
  await hook.got('oldest-waiting', 'ended')
})

test('a webhook that is down gets the alert when it is back, and health says so meanwhile', async (t) => {
  const hook = await webhook(t)
  const outbox = await open(t, undefined, {}, { alerts: alertsFor(hook) })
  await hook.stop()
  await outbox.pauseDestination('malaffi', by)
  await late(outbox, /^alerts do not reach the webhook at 127\.0\.0\.1:\d+ since .* \(CONNECT_REFUSED\): 1 wait, 0 given up$/)
  assert.equal((await outbox.getHealth()).status, 'degraded')
  await hook.start()
  const alert = await hook.got('paused', 'begun')
  assert.equal(hook.requests.length, 1)
  assert.equal(hook.requests[0].headers['webhook-id'], alert.id)
  await until(outbox, async () => (await problem(outbox)) === undefined, 'health without it')
})

test('a wrong secret, a refusal and a redirect are told by their codes; what the other side wrote is not, and nothing is followed', async (t) => {
  const elsewhere = await webhook(t)
  for (const [made, error] of [
    [{ secret: OTHER_SECRET }, 'HTTP_401'],
    [{ answer: { status: 500 } }, 'HTTP_500'],
    [{ answer: { status: 302, headers: { location: elsewhere.url } } }, 'HTTP_302'],
  ]) {
    const hook = await webhook(t, made)
    const outbox = await open(t, undefined, {}, { alerts: alertsFor(hook) })
    await outbox.pauseDestination('malaffi', by)
    await late(outbox, new RegExp(`\\(${error}\\)`))
    assert.doesNotMatch(JSON.stringify(await outbox.getHealth()), /TESTPATIENT/)
  }
  assert.equal(elsewhere.requests.length, 0)
})

test('an alert that nobody takes in its time is given up, and health tells it', async (t) => {
  const hook = await webhook(t, { answer: { status: 503 } })
  const outbox = await open(t, undefined, {}, { alerts: alertsFor(hook, { expiresInMs: 500 }) })
  await outbox.pauseDestination('malaffi', by)
  await late(outbox, /\(HTTP_503\): 0 wait, 1 given up$/)
})

test('each webhook gets the types that it wants, and one that hangs does not hold up the other', async (t) => {
  const [silent, all, some] = [await webhook(t, { answer: { status: 200 } }), await webhook(t), await webhook(t)]
  await silent.stop()
  const alerts = alertsFor(all)
  alerts.webhooks.unshift({ url: silent.url, secret: SECRET })
  alerts.webhooks.push({ url: some.url, secret: SECRET, only: ['refusal'] })
  const taker = await receiver(t, { answer: REFUSE })
  const outbox = await open(t, taker.url, {}, { alerts })
  await outbox.pauseDestination('malaffi', by)
  await all.got('paused', 'begun')
  await outbox.resumeDestination('malaffi', by)
  await outbox.enqueueHl7(hl7())
  await some.got('refusal', 'begun')
  await all.got('refusal', 'begun')
  assert.deepEqual(some.told, ['refusal begun'])
})

test('onAlert hears the same alert, one at a time, and once more when it failed', async (t) => {
  const heard = []
  const warnings = []
  let during = 0
  const warn = (warning) => warnings.push(warning.code)
  process.on('warning', warn)
  t.after(() => process.off('warning', warn))
  const onAlert = async (alert) => {
    assert.equal(++during, 1)
    heard.push(alert)
    await new Promise((resolve) => setImmediate(resolve))
    during--
    if (heard.length === 1) throw new Error('the mail server is away')
  }
  const outbox = await open(t, undefined, {}, { alerts: alertsFor(undefined, { onAlert }) })
  await outbox.pauseDestination('malaffi', by)
  await late(outbox, /^alerts do not reach `alerts\.onAlert`.*\(CALLBACK_FAILED\)/)
  await until(outbox, () => heard.length === 2 && warnings.includes('HL7_OUTBOX_LISTENER'), 'the second time')
  await outbox.resumeDestination('malaffi', by)
  await until(outbox, () => heard.length === 3, 'the end')
  assert.deepEqual(heard[0], heard[1])
  assert.deepEqual(heard.map(({ type, state }) => `${type} ${state}`), ['paused begun', 'paused begun', 'paused ended'])
})

test('what is wrong with the configuration is told at the start, by its place and without the secret', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const start = (alerts) => door.Outbox.open(config(path, 'http://127.0.0.1:9/', {}, { alerts }))
  const url = 'https://hooks.example/alerts'
  for (const [alerts, place] of [
    [{ webhooks: [{ url, secret: 'not-a-key' }] }, /`alerts\.webhooks\.0\.secret` must be `whsec_`/],
    [{ webhooks: [{ url, secret: 'env:NO_SUCH_VARIABLE' }] }, /NO_SUCH_VARIABLE, which is not set/],
    [{ webhooks: [{ url: 'http://hooks.example/', secret: SECRET }] }, /`alerts\.webhooks\.0\.url` is plain http/],
    [{ webhooks: [{ url, secret: SECRET, headers: { 'a b': 'c' } }] }, /`alerts\.webhooks\.0\.headers`/],
    [{ webhooks: [{ url, secret: SECRET, tls: { caFile: 'no-such.pem' } }] }, /`alerts\.webhooks\.0\.tls\.caFile`/],
    [{ webhooks: [{ url, secret: SECRET, only: ['outrage'] }] }, /alerts\.webhooks\[0\]\.only\[0\]/],
    [{ thresholds: { outage: 1 } }, /alerts\.thresholds\.outage/],
    [{ repeatMs: 1 }, /alerts\.repeatMs/],
  ]) {
    const error = await refused(() => start(alerts), 'ERR_CONFIG', JSON.stringify(alerts))
    assert.match(error.message, place)
    assert.ok(!error.message.includes('not-a-key') && !error.message.includes(SECRET))
  }
  await refused(() => start({ onAlert: 'me' }), 'ERR_OPTION')
})
