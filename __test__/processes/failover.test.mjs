// Several processes on one file: one sends, the others stand by, and the death of any of them costs nothing.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { controlId, hl7 } from '../support/messages.mjs'
import { by, config, count, folder, open, reach, until } from '../support/outbox.mjs'
import { startApp } from '../support/processes.mjs'
import { bytesOf, firsts, receiver } from '../support/receiver.mjs'

/** A looker-on of the file in this process, which never sends. */
const lookAt = (t, path, url) => open(t, url, {}, { path, dispatch: false })

async function leaderOf(looker) {
  return until(looker, async () => (await looker.getHealth()).dispatcher, 'a dispatcher')
}

/** Two applications on one file; the first one leads. */
async function pair(t, behaviour, destination) {
  const taker = await receiver(t, behaviour)
  const path = join(folder(t), 'outbox.db')
  const looker = await lookAt(t, path, taker.url)
  const settings = config(path, taker.url, destination)
  const leader = await startApp(t, settings)
  assert.equal((await leaderOf(looker)).pid, leader.pid)
  return { taker, path, looker, leader, standby: await startApp(t, settings), settings }
}

test('of two processes on one file only one sends, and both say which', async (t) => {
  const { taker, leader, standby, looker } = await pair(t)
  const sent = await Promise.all(Array.from({ length: 40 }, (_, n) => [leader, standby][n % 2].call('enqueueHl7', hl7({ patient: `D-${n}` }))))
  await count(looker, 'ACKNOWLEDGED', 40)
  assert.equal((await taker.received()).length, 40)
  assert.equal(new Set(sent.map(({ id }) => id)).size, 40)
  const [one, other] = await Promise.all([leader.call('getHealth'), standby.call('getHealth')])
  assert.equal(one.dispatcher.pid, leader.pid)
  assert.equal(other.dispatcher.pid, leader.pid)
  assert.deepEqual([one.dispatcher.here, other.dispatcher.here], [true, false])
})

test('processes that are configured differently go on, and health names the destination', async (t) => {
  const { path, taker, looker } = await pair(t)
  const differing = async (app) => (await app.call('getHealth')).problems.find(({ code }) => code === 'configuration-differs')
  const other = await startApp(t, config(path, taker.url, { concurrency: 2 }))
  const problem = await until(looker, () => differing(other), 'a difference')
  assert.match(problem.message, /`malaffi`/)
  assert.ok(problem.remedy.length > 0)
  const same = await startApp(t, config(path, taker.url))
  assert.equal(await differing(same), undefined)
  const { id } = await other.call('enqueueHl7', hl7())
  await reach(looker, id, 'ACKNOWLEDGED')
})

test('what the standby stores is on the wire within 50 ms', async (t) => {
  const { taker, standby } = await pair(t)
  const waits = []
  for (let n = 0; n < 20; n++) {
    await standby.call('enqueueHl7', hl7({ patient: `W-${n}` }))
    const stored = Date.now()
    waits.push(Date.parse((await taker.until(n + 1))[n].at) - stored)
  }
  waits.sort((a, b) => a - b)
  assert.ok(waits[10] < 50, `median ${waits[10]} ms of ${waits.join(' ')}`)
})

test('after the death of the dispatcher a standby sends within a second, and repeats what was in flight, marked and byte for byte', async (t) => {
  const { taker, leader, standby, looker } = await pair(t, { rules: [{ when: { controlId: 'OPEN', first: 1 }, answer: 'silent' }] })
  const text = hl7({ control: 'OPEN1', patient: 'K-1' })
  const { id } = await leader.call('enqueueHl7', text)
  await taker.until(1)
  const { id: next } = await standby.call('enqueueHl7', hl7({ control: 'LATER', patient: 'K-1' }))
  const waiting = await standby.call('getMessage', next)
  assert.deepEqual([waiting.waitingFor, waiting.blockedBy], ['lane', id])
  const killed = Date.now()
  await leader.kill()
  const arrivals = await taker.until(3)
  assert.deepEqual(arrivals.map(({ controlId }) => controlId), ['OPEN1', 'OPEN1', 'LATER'])
  assert.ok(Date.parse(arrivals[1].at) - killed < 1_000, `${Date.parse(arrivals[1].at) - killed} ms`)
  assert.ok(bytesOf(arrivals[1]).equals(Buffer.from(text)))
  const message = await reach(looker, id, 'ACKNOWLEDGED')
  assert.equal(message.possibleDuplicate, true)
  const attempts = await looker.getAttempts(id)
  assert.deepEqual(attempts.map(({ outcome }) => outcome), ['indeterminate', 'accepted'])
  const after = await reach(looker, next, 'ACKNOWLEDGED')
  assert.equal(after.possibleDuplicate, false)
  assert.equal((await leaderOf(looker)).pid, standby.pid)
})

test('a message that was withdrawn in flight is not sent again when the dispatcher dies before the answer', async (t) => {
  const { taker, leader, looker } = await pair(t, { rules: [{ when: { first: 1 }, answer: 'silent' }] })
  const { id } = await leader.call('enqueueHl7', hl7({ control: 'WITHDRAWN', patient: 'C-1' }))
  await taker.until(1)
  const changed = await looker.cancelMessages({ ids: [id] }, by)
  assert.equal(changed.count, 1)
  await leader.kill()
  const ended = await until(looker, async () => {
    const message = await looker.getMessage(id)
    return message.status === 'PENDING' ? null : message
  })
  assert.equal(ended.status, 'CANCELLED')
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['WITHDRAWN'])
})

if (process.platform !== 'win32') {
  test('a dispatcher that is stopped is not taken over; health names it and the remedy, and it goes on when it is continued', async (t) => {
    const { taker, leader, standby, looker } = await pair(t)
    leader.child.kill('SIGSTOP')
    const { id } = await standby.call('enqueueHl7', hl7())
    const problem = await until(looker, async () => (await looker.getHealth()).problems.find(({ code }) => code === 'dispatcher-stalled'))
    assert.ok(problem.message.includes(String(leader.pid)), problem.message)
    assert.ok(problem.remedy.length > 0)
    const health = await standby.call('getHealth')
    assert.deepEqual([health.status, health.dispatcher.pid, health.dispatcher.here], ['degraded', leader.pid, false])
    assert.deepEqual(await taker.received(), [])
    leader.child.kill('SIGCONT')
    await reach(looker, id, 'ACKNOWLEDGED')
    assert.equal((await taker.received()).length, 1)
  })
}

test('ten applications killed at random moments while they enqueue lose nothing that was resolved and reorder nothing', async (t) => {
  const taker = await receiver(t, { latency: { minMs: 0, maxMs: 5 } })
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, taker.url)
  const resolved = []
  const looker = await lookAt(t, path, taker.url)
  for (let cycle = 0; cycle < 10; cycle++) {
    const app = await startApp(t, settings)
    const end = new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 60)).then(() => app.kill())
    let number = 0
    const lane = async (patient) => {
      try {
        for (;;) {
          const control = `C${cycle}P${patient}N${String(number++).padStart(5, '0')}`
          await app.call('enqueueHl7', hl7({ control, patient: `R-${patient}` }))
          resolved.push({ control, patient })
        }
      } catch (error) {
        assert.equal(error.code, 'GONE', error.message)
      }
    }
    await Promise.all([end, ...[1, 2, 3, 4].map(lane)])
  }
  const last = await startApp(t, settings)
  await until(looker, async () => (await last.call('getStats')).byStatus.PENDING === 0, 'an empty queue')
  const arrivals = firsts(await taker.received())
  const stored = new Set()
  for (let cursor; cursor !== null; ) {
    const page = await looker.listMessages({ limit: 1_000, order: 'oldest', status: 'ACKNOWLEDGED', ...(cursor === undefined ? {} : { cursor }) })
    for (const { controlId } of page.items) stored.add(controlId)
    cursor = page.nextCursor
  }
  assert.ok(resolved.length > 10, `only ${resolved.length} enqueues`)
  assert.deepEqual(resolved.filter(({ control }) => !stored.has(control)), [])
  for (const patient of [1, 2, 3, 4]) {
    const order = resolved.filter((one) => one.patient === patient).map(({ control }) => control)
    const known = new Set(order)
    const arrived = arrivals.map(({ controlId }) => controlId).filter((control) => known.has(control))
    assert.deepEqual(arrived, order)
  }
  const marked = new Map((await looker.listMessages({ possibleDuplicate: true, limit: 1_000 })).items.map((message) => [message.controlId, message]))
  const seen = new Set()
  for (const { controlId } of await taker.received()) {
    if (seen.has(controlId)) assert.ok(marked.has(controlId), `${controlId} came twice without a mark`)
    seen.add(controlId)
  }
})

test('a message whose sending ends every process is stopped when its limit of doubts is reached', { timeout: 60_000 }, async (t) => {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'KILLER' }, answer: 'silent' }] })
  const path = join(folder(t), 'outbox.db')
  const looker = await lookAt(t, path, taker.url)
  const settings = config(path, taker.url, { retry: { scheduleMs: [20], jitter: 0, maxIndeterminate: 2 } })
  const { id } = await looker.enqueueHl7(hl7({ control: 'KILLER', patient: 'X-1' }))
  const next = await looker.enqueueHl7(hl7({ control: 'NEXT', patient: 'X-1' }))
  for (let n = 1; n <= 2; n++) {
    const doomed = await startApp(t, settings)
    await taker.until(n)
    await doomed.kill()
  }
  await startApp(t, settings)
  const failed = await reach(looker, id, 'FAILED')
  assert.deepEqual([failed.failure.reason, failed.failure.code, failed.tries, failed.possibleDuplicate], ['indeterminate', 'TAKEN_OVER', 2, true])
  await reach(looker, next.id, 'ACKNOWLEDGED')
})

test('what a person orders in another process reaches the sender within 200 ms', async (t) => {
  const { taker, leader, looker } = await pair(t, { rules: [{ when: { controlId: 'BAD' }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const bad = await leader.call('enqueueHl7', hl7({ control: 'BAD', patient: 'Y-1' }))
  const held = await leader.call('enqueueHl7', hl7({ control: 'HELD', patient: 'Y-2' }), { hold: true })
  const sent = await leader.call('enqueueHl7', hl7({ control: 'SENT', patient: 'Y-3' }))
  await reach(looker, bad.id, 'FAILED')
  await reach(looker, sent.id, 'ACKNOWLEDGED')
  const orders = [
    () => looker.releaseMessages({ ids: [held.id] }, by),
    () => looker.resendMessages({ ids: [sent.id] }, by),
    () => looker.retryMessages({ ids: [bad.id] }, by),
    () => looker.replaceMessage(bad.id, hl7({ control: 'RIGHT', patient: 'Y-1' }), by),
  ]
  for (const [n, order] of orders.entries()) {
    await order()
    const ordered = Date.now()
    const arrivals = await taker.until(n + 3)
    assert.ok(Date.parse(arrivals[n + 2].at) - ordered < 200, `${n}: ${Date.parse(arrivals[n + 2].at) - ordered} ms`)
    if (n === 2) await reach(looker, bad.id, 'FAILED')
  }
  assert.deepEqual((await taker.received()).slice(2).map(({ controlId }) => controlId), ['HELD', 'SENT', 'BAD', 'RIGHT'])
})

test('changes of one destination in two processes at once are both kept', async (t) => {
  const { leader, standby, looker } = await pair(t)
  await Promise.all([leader.call('configureDestination', 'malaffi', { processingIds: ['D'] }, by), standby.call('configureDestination', 'malaffi', { orderBy: null }, by)])
  await looker.pauseDestination('malaffi', by)
  for (const app of [leader, standby]) {
    await until(looker, () => app.call('enqueueHl7', hl7()).then(() => false, ({ code }) => code === 'ERR_PROCESSING_ID'))
    // Of two that follow each other the second waits for nobody: there is no order any more.
    await until(looker, async () => {
      const patient = controlId('Z')
      await app.call('enqueueHl7', hl7({ patient, msh: { 11: 'D' } }))
      const { id } = await app.call('enqueueHl7', hl7({ patient, msh: { 11: 'D' } }))
      return (await looker.getMessage(id)).blockedBy === null
    })
  }
})
