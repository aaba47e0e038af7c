// The durable feed of changes: everything that happened, in order, from any place, at least once.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, folder, open, openPaused, reach, refused } from '../support/outbox.mjs'
import { startApp } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const REFUSE = { type: 'ae', errors: [{ code: '103' }] }

/** The first so many changes; the reader ends with them. */
async function take(changes, number) {
  const taken = []
  if (number > 0) for await (const change of changes) if (taken.push(change) === number) break
  return taken
}

const moves = (changes) => changes.map(({ controlId, from, to }) => [controlId, from, to])

/** A small history: stored, held, released, refused, retried, withdrawn, purged. */
async function history(t) {
  const taker = await receiver(t, { rules: [{ when: { controlId: 'BAD' }, answer: REFUSE }] })
  const outbox = await open(t, taker.url)
  const good = await outbox.enqueueHl7(hl7({ control: 'GOOD', patient: 'H-1' }), { tags: { visit: 'V-1' } })
  await reach(outbox, good.id, 'ACKNOWLEDGED')
  const bad = await outbox.enqueueHl7(hl7({ control: 'BAD', patient: 'H-2' }))
  await reach(outbox, bad.id, 'FAILED')
  const held = await outbox.enqueueHl7(hl7({ control: 'HELD', patient: 'H-3' }), { hold: true })
  await outbox.cancelMessages({ ids: [bad.id] }, by)
  await outbox.releaseMessages({ ids: [held.id] }, by)
  await reach(outbox, held.id, 'ACKNOWLEDGED')
  await outbox.purgeMessages({ ids: [held.id] }, by)
  return {
    outbox,
    good,
    expected: [
      ['GOOD', null, 'PENDING'], ['GOOD', 'PENDING', 'ACKNOWLEDGED'], ['BAD', null, 'PENDING'], ['BAD', 'PENDING', 'FAILED'], ['HELD', null, 'HELD'],
      ['BAD', 'FAILED', 'CANCELLED'], ['HELD', 'HELD', 'PENDING'], ['HELD', 'PENDING', 'ACKNOWLEDGED'],
    ],
  }
}

test('the feed tells everything from the beginning, in the order in which it happened', async (t) => {
  const { outbox, good, expected } = await history(t)
  const changes = await take(outbox.statusChanges(), expected.length)
  assert.deepEqual(moves(changes), expected)
  const [stored, delivered, , failed] = changes
  assert.deepEqual([stored.id, stored.destination, stored.attempts, stored.failure, stored.tags], [good.id, 'malaffi', 0, null, { visit: 'V-1' }])
  assert.deepEqual([delivered.attempts, delivered.tags], [1, { visit: 'V-1' }])
  assert.deepEqual([failed.failure.reason, failed.failure.ackCode, failed.failure.errCodes], ['rejected', 'AE', ['103']])
  assert.ok(changes.every(({ at }, n) => n === 0 || at >= changes[n - 1].at))
  assert.equal(new Set(changes.map(({ cursor }) => cursor)).size, changes.length)
})

test('from every cursor on, the rest is told again', async (t) => {
  const { outbox, expected } = await history(t)
  const changes = await take(outbox.statusChanges(), expected.length)
  for (const [n, { cursor }] of changes.entries()) assert.deepEqual(await take(outbox.statusChanges({ after: cursor }), changes.length - n - 1), changes.slice(n + 1), cursor)
})

test('a cursor that onStatusChange gave is a place in the feed', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const heard = []
  outbox.onStatusChange((change) => heard.push(change))
  for (let n = 0; n < 5; n++) await outbox.enqueueHl7(hl7({ patient: `ON-${n}` }))
  await count(outbox, 'ACKNOWLEDGED', 5)
  while (heard.length < 10) await outbox.getStats()
  const next = await outbox.enqueueHl7(hl7({ control: 'NEXT' }), { hold: true })
  const [told] = await take(outbox.statusChanges({ after: heard[9].cursor }), 1)
  assert.deepEqual([told.id, told.to], [next.id, 'HELD'])
  const all = await take(outbox.statusChanges(), 11)
  assert.deepEqual(new Set(heard.slice(0, 10).map(({ id, to }) => `${id} ${to}`)), new Set(all.slice(0, 10).map(({ id, to }) => `${id} ${to}`)))
})

test('a history longer than several pages is told whole, each change once and messages in order', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url, { concurrency: 16 })
  await Promise.all(Array.from({ length: 600 }, (_, n) => outbox.enqueueHl7(hl7({ control: `P${n}`, patient: `P-${n % 50}` }))))
  await count(outbox, 'ACKNOWLEDGED', 600)
  const changes = await take(outbox.statusChanges(), 1_200)
  const seen = new Map()
  for (const { id, from, to } of changes) {
    assert.equal(seen.get(id) ?? null, from)
    seen.set(id, to)
  }
  assert.deepEqual([seen.size, new Set(seen.values())], [600, new Set(['ACKNOWLEDGED'])])
})

test('a reader that has caught up hears what happens next, here and in other processes', async (t) => {
  const taker = await receiver(t)
  const path = join(folder(t), 'outbox.db')
  const outbox = await open(t, taker.url, {}, { path, dispatch: false })
  const app = await startApp(t, config(path, taker.url))
  const feed = outbox.statusChanges()[Symbol.asyncIterator]()
  await outbox.enqueueHl7(hl7({ control: 'HERE', patient: 'L-1' }))
  const heard = [(await feed.next()).value, (await feed.next()).value]
  await app.call('enqueueHl7', hl7({ control: 'THERE', patient: 'L-2' }))
  heard.push((await feed.next()).value, (await feed.next()).value)
  await feed.return()
  assert.deepEqual(moves(heard), [['HERE', null, 'PENDING'], ['HERE', 'PENDING', 'ACKNOWLEDGED'], ['THERE', null, 'PENDING'], ['THERE', 'PENDING', 'ACKNOWLEDGED']])
})

test('an abort ends the reader, while it waits, between changes, and before it began', { timeout: 20_000 }, async (t) => {
  const outbox = await openPaused(t)
  for (let n = 0; n < 3; n++) await outbox.enqueueHl7(hl7())
  const waiting = new AbortController()
  const seen = []
  for await (const change of outbox.statusChanges({ signal: waiting.signal })) if (seen.push(change) === 3) setTimeout(() => waiting.abort(), 20)
  assert.equal(seen.length, 3)
  const between = new AbortController()
  const told = []
  for await (const change of outbox.statusChanges({ signal: between.signal })) {
    told.push(change)
    between.abort()
  }
  assert.equal(told.length, 1)
  assert.deepEqual(await take(outbox.statusChanges({ signal: AbortSignal.abort() }), 1), [])
  assert.deepEqual(await take(outbox.statusChanges({ signal: AbortSignal.abort(), consumer: 'a' }), 1), [])
})

test('a stop ends the reader with ERR_STOPPED', async (t) => {
  const outbox = await openPaused(t)
  await outbox.enqueueHl7(hl7())
  const feed = outbox.statusChanges({ consumer: 'c' })[Symbol.asyncIterator]()
  await feed.next()
  const stopped = refused(() => feed.next(), 'ERR_STOPPED')
  await outbox.close()
  await stopped
})

test('a named reader goes on where it was, in the next opening of the file too', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/', { enabled: false })
  const first = await door.Outbox.open(settings)
  for (const control of ['N1', 'N2', 'N3', 'N4']) await first.enqueueHl7(hl7({ control }))
  // The change at which a reader ends may not be dealt with, so it is told again.
  assert.deepEqual((await take(first.statusChanges({ consumer: 'sync' }), 3)).map(({ controlId }) => controlId), ['N1', 'N2', 'N3'])
  await first.close()
  const outbox = await door.Outbox.open(settings)
  t.after(() => outbox.close({ timeoutMs: 0 }))
  assert.deepEqual((await take(outbox.statusChanges({ consumer: 'sync' }), 2)).map(({ controlId }) => controlId), ['N3', 'N4'])
  assert.equal((await take(outbox.statusChanges({ consumer: 'other' }), 1))[0].controlId, 'N1', 'names have places of their own')
  const [last] = await take(outbox.statusChanges({ consumer: 'sync' }), 1)
  assert.equal(last.controlId, 'N4')
  assert.deepEqual((await take(outbox.statusChanges({ consumer: 'sync', after: '0.0' }), 1))[0].controlId, 'N1', 'a given place wins')
})

test('a change at which the loop’s body throws is told again', async (t) => {
  const outbox = await openPaused(t)
  for (const control of ['T1', 'T2', 'T3']) await outbox.enqueueHl7(hl7({ control }))
  const done = []
  const apply = async (failsAt) => {
    for await (const { controlId } of outbox.statusChanges({ consumer: 'sync' })) {
      if (controlId === failsAt) throw new Error('the database is away')
      done.push(controlId)
      if (controlId === 'T3') return
    }
  }
  await assert.rejects(apply('T2'), /the database is away/)
  await apply()
  assert.deepEqual(done, ['T1', 'T2', 'T3'])
})

test('of two readers of one name in a process one is active, and who only waited takes nothing away from it', { timeout: 30_000 }, async (t) => {
  const outbox = await openPaused(t)
  const active = outbox.statusChanges({ consumer: 'one' })[Symbol.asyncIterator]()
  await outbox.enqueueHl7(hl7({ control: 'O1' }))
  assert.equal((await active.next()).value.controlId, 'O1')
  const waiter = new AbortController()
  const waiting = outbox.statusChanges({ consumer: 'one', signal: waiter.signal })[Symbol.asyncIterator]().next()
  assert.equal(await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 50, 'waits'))]), 'waits')
  waiter.abort()
  assert.equal((await waiting).done, true)
  // The active one still has its turn: a third has to wait.
  const third = outbox.statusChanges({ consumer: 'one' })[Symbol.asyncIterator]()
  const turn = third.next()
  assert.equal(await Promise.race([turn, new Promise((resolve) => setTimeout(resolve, 700, 'waits'))]), 'waits')
  await active.return()
  assert.equal((await turn).value.controlId, 'O1')
  await third.return()
})

test('an outbox that is closed gives the names of its readers back, also of those that nobody goes on with', async (t) => {
  const settings = config(join(folder(t), 'outbox.db'), 'http://127.0.0.1:9/', { enabled: false })
  const first = await door.Outbox.open(settings)
  await first.enqueueHl7(hl7({ control: 'LEFT' }))
  await first.statusChanges({ consumer: 'left' })[Symbol.asyncIterator]().next()
  await first.close()
  const outbox = await door.Outbox.open(settings)
  t.after(() => outbox.close({ timeoutMs: 0 }))
  assert.equal((await take(outbox.statusChanges({ consumer: 'left' }), 1))[0].controlId, 'LEFT')
})

test('wrong arguments are refused when the reading begins', async (t) => {
  const outbox = await open(t, undefined, {}, { dispatch: false })
  const begin = (options) => () => outbox.statusChanges(options)[Symbol.asyncIterator]().next()
  for (const options of [null, [], 'x', { after: 1 }, { consumer: 1 }, { consumer: '' }, { consumer: 'x'.repeat(65) }, { signal: {} }, { consummer: 'x' }]) await refused(begin(options), 'ERR_OPTION', JSON.stringify(options))
  for (const after of ['', 'x', '1', '1.', '-1.0', '01.0', '1.0.0', '1e3.0', '9'.repeat(30)]) await refused(begin({ after }), 'ERR_CURSOR', after)
})
