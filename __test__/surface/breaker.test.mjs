// Who pays for a failure, seen from outside: the destination that is down, or the message that others pass by.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, folder, open, reach, until } from '../support/outbox.mjs'
import { startApp } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const stateOf = async (outbox, name = 'malaffi') => (await outbox.getHealth()).destinations[name]
const resting = (outbox, state) => until(outbox, async () => ((await stateOf(outbox)).state === state ? stateOf(outbox) : null), state)

test('an outage costs no attempt and two log lines, one when it begins and one when it ends', async (t) => {
  const taker = await receiver(t, { outages: [{ kind: 'drop', forMs: 3_600_000 }] })
  const app = await startApp(t, { ...config(join(folder(t), 'outbox.db'), taker.url), log: { level: 'warn' } })
  await new Promise((resolve) => setTimeout(resolve, 60)) // a behaviour counts its outages from 50 ms later
  const ids = []
  for (let n = 0; n < 6; n++) ids.push((await app.call('enqueueHl7', hl7({ patient: `O-${n}` }))).id)
  const rests = JSON.parse(await app.line((line) => line.includes('the destination rests')))
  assert.equal(rests.fields?.destination ?? rests.destination, 'malaffi')
  const look = async (status) => (await app.call('getStats')).byStatus[status]
  // One probe at least has failed when some message was tried twice.
  while ((await Promise.all(ids.map((id) => app.call('getMessage', id)))).reduce((sum, { tries }) => sum + tries, 0) < 5) await look('PENDING')
  await taker.behave({})
  const works = await app.line((line) => line.includes('the destination works again'))
  assert.match(works, /"seconds":\d+/)
  assert.match(works, /"backlog":\d+/)
  while ((await look('ACKNOWLEDGED')) < 6);
  for (const id of ids) {
    const { attempts } = await app.call('getMessage', id)
    assert.equal(attempts, 1)
  }
  const said = app.lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  const about = said.map((line) => line.fields?.message ?? line.message).filter((text) => text.startsWith('the destination'))
  assert.deepEqual(about, ['the destination rests', 'the destination works again'])
})

test('five failures from three lanes are the destination’s: they are given back, and delivery goes on by itself', async (t) => {
  const taker = await receiver(t, { answer: { type: 'status', status: 502 } })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [20], jitter: 0, maxAttempts: 3 } })
  const ids = []
  for (let n = 0; n < 5; n++) ids.push((await outbox.enqueueHl7(hl7({ patient: `F-${n}` }))).id)
  await resting(outbox, 'breaker-open')
  await taker.behave({})
  await count(outbox, 'ACKNOWLEDGED', 5)
  for (const id of ids) {
    assert.equal((await outbox.getMessage(id)).attempts, 1)
    const attempts = await outbox.getAttempts(id)
    assert.deepEqual(attempts.filter(({ outcome }) => outcome !== 'accepted').map(({ counted }) => counted), Array(attempts.length - 1).fill(false))
  }
  assert.equal((await stateOf(outbox)).state, 'ok')
})

test('dead letters that an outage made before it could be told from a fault are pending again', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 5 }, answer: { type: 'status', status: 500 } }] })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [20], jitter: 0, maxAttempts: 1 }, concurrency: 1 })
  const ids = []
  for (let n = 0; n < 5; n++) ids.push((await outbox.enqueueHl7(hl7({ patient: `G-${n}` }))).id)
  await count(outbox, 'ACKNOWLEDGED', 5)
  for (const id of ids) assert.equal((await outbox.getMessage(id)).failure, null)
})

test('a refusal of the set-up rests the destination; one message that is refused so while others pass fails alone', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'WALL' }, answer: { type: 'status', status: 403 } }] })
  const outbox = await open(t, taker.url)
  const wall = await outbox.enqueueHl7(hl7({ control: 'WALL', patient: 'W-1' }))
  const rest = await resting(outbox, 'misconfigured')
  assert.match(rest.reason, /403/)
  const others = []
  for (let n = 2; n < 6; n++) others.push((await outbox.enqueueHl7(hl7({ patient: `W-${n}` }))).id)
  assert.equal((await outbox.getMessage(others[0])).waitingFor, 'breaker')
  const asked = await outbox.getMessage(wall.id)
  assert.deepEqual([asked.status, asked.attempts, asked.tries], ['PENDING', 0, 1])
  // A person asks for a probe now; it is made with another lane's message.
  await outbox.retryMessages({ ids: [others[3]] }, by)
  for (const id of others) await reach(outbox, id, 'ACKNOWLEDGED')
  const failed = await reach(outbox, wall.id, 'FAILED')
  assert.deepEqual([failed.failure.reason, failed.failure.httpStatus, failed.attempts, failed.tries], ['rejected', 403, 1, 2])
  assert.equal((await stateOf(outbox)).state, 'ok')
  const more = await outbox.enqueueHl7(hl7())
  await reach(outbox, more.id, 'ACKNOWLEDGED')
})

test('a message whose connection always breaks is found out, and the others go on', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'BREAK' }, answer: { type: 'closeBeforeBody', reset: true } }] })
  const outbox = await open(t, taker.url, { retry: { scheduleMs: [20], jitter: 0, maxAttempts: 2 } })
  const bad = await outbox.enqueueHl7(hl7({ control: 'BREAK', patient: 'C-1', bytes: 4_000_000 }))
  const others = []
  for (let n = 0; n < 4; n++) others.push((await outbox.enqueueHl7(hl7({ patient: `C-${n + 2}` }))).id)
  for (const id of others) await reach(outbox, id, 'ACKNOWLEDGED')
  const failed = await until(outbox, async () => {
    // What passes in between is what makes the difference.
    await outbox.enqueueHl7(hl7())
    const message = await outbox.getMessage(bad.id)
    return message.status === 'FAILED' && message
  })
  assert.deepEqual([failed.attempts, failed.tries > 2], [2, true])
})

test('ten refusals in a row with one code pause the destination, and a person resumes it', async (t) => {
  const taker = await receiver(t, { answer: REFUSE })
  const outbox = await open(t, taker.url, { concurrency: 2 })
  const ids = []
  for (let n = 0; n < 40; n++) ids.push((await outbox.enqueueHl7(hl7({ patient: `T-${n}` }))).id)
  const paused = await resting(outbox, 'paused')
  assert.match(paused.reason, /^reject-streak: /)
  await until(outbox, async () => (await stateOf(outbox)).inFlight === 0)
  const { FAILED, PENDING } = (await outbox.getStats()).byStatus
  assert.ok(FAILED >= 10 && FAILED <= 14, `${FAILED} were refused`)
  assert.equal(FAILED + PENDING, 40)
  const health = await outbox.getHealth()
  assert.equal(health.status, 'degraded')
  await taker.behave({})
  await outbox.resumeDestination('malaffi', by)
  await count(outbox, 'ACKNOWLEDGED', PENDING)
  await outbox.retryMessages({ status: 'FAILED' }, by)
  await count(outbox, 'ACKNOWLEDGED', 40)
})

test('refusals with different codes, or of two patients only, pause nothing', async (t) => {
  const codes = ['101', '102', '103', '200']
  const taker = await receiver(t, { rules: [...codes.map((code) => ({ when: { controlId: `X${code}` }, answer: { type: 'ae', errors: [{ code }] } })), { when: { patient: 'SAME' }, answer: REFUSE }] })
  const outbox = await open(t, taker.url, { concurrency: 1 })
  for (let n = 0; n < 16; n++) await outbox.enqueueHl7(hl7({ control: `X${codes[n % 4]}-${n}`, patient: `X-${n}` }))
  for (let n = 0; n < 14; n++) await outbox.enqueueHl7(hl7({ patient: 'SAME' }))
  await count(outbox, 'FAILED', 30)
  assert.equal((await stateOf(outbox)).state, 'ok')
})

test('a destination that is down delays no other', async (t) => {
  const up = await receiver(t)
  const outbox = await door.Outbox.open({
    path: join(folder(t), 'outbox.db'),
    destinations: { up: { url: up.url }, down: { url: 'http://127.0.0.1:9/' }, refusing: { url: 'http://127.0.0.1:9/', enabled: false } },
    log: { level: 'error' },
  })
  t.after(() => outbox.close({ timeoutMs: 0 }))
  const sent = []
  for (let n = 0; n < 20; n++) sent.push(await outbox.enqueueHl7(hl7({ patient: 'ONE' }), { destinations: ['down', 'up', 'refusing'] }))
  for (const { deliveries } of sent) await reach(outbox, deliveries[1].id, 'ACKNOWLEDGED')
  assert.equal((await up.received()).length, 20)
  const { destinations } = await outbox.getHealth()
  assert.deepEqual(Object.fromEntries(Object.entries(destinations).map(([name, { state, pending }]) => [name, [state, pending]])), { up: ['ok', 0], down: ['breaker-open', 20], refusing: ['disabled', 20] })
  const waits = await Promise.all(sent[0].deliveries.map(({ id }) => outbox.getMessage(id)))
  assert.deepEqual(waits.map(({ status, waitingFor, attempts }) => [status, waitingFor, attempts]), [['PENDING', 'breaker', 0], ['ACKNOWLEDGED', null, 1], ['PENDING', 'disabled', 0]])
})
