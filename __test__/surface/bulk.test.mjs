// Commands on very many messages: part by part, with everything else in between.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, folder, openPaused, refused } from '../support/outbox.mjs'

/** More than one part of 250. */
const MANY = 3_000

async function fill(outbox, number = MANY, options) {
  const list = Array.from({ length: number }, (_, n) => ({ message: hl7({ patient: `P-${n % 700}` }), ...(options === undefined ? {} : { options }) }))
  return (await outbox.enqueueHl7Batch(list)).map(({ id }) => id)
}

test('all of many are held and released, each once, and messages are stored meanwhile that are not meant', async (t) => {
  const outbox = await openPaused(t)
  const ids = await fill(outbox)
  const heard = []
  let stored = 0
  let isHeld = false
  const holding = outbox.holdMessages({}, by, { onProgress: (changed) => heard.push(changed) }).finally(() => (isHeld = true))
  while (!isHeld) {
    await outbox.enqueueHl7(hl7({ patient: 'LATER' }))
    stored++
  }
  const held = await holding
  assert.deepEqual([held.count, held.changed.length, held.unchanged], [MANY, 1_000, []])
  assert.deepEqual(held.changed.slice(0, 3), ids.slice(-3).reverse())
  assert.ok(stored > 3, `${stored} messages were stored while the command was carried out`)
  assert.ok(heard.every((changed, n) => changed <= MANY && (n === 0 || changed >= heard[n - 1])), String(heard))
  assert.deepEqual(await outbox.countMessages({ status: 'HELD' }), { count: MANY, exact: true })
  const released = await outbox.releaseMessages({ status: 'HELD' }, by)
  assert.deepEqual([released.count, released.changed], [MANY, ids.slice(0, 1_000)])
  assert.equal((await outbox.getStats()).byStatus.PENDING, MANY + stored)
})

test('a command that is ended by its signal says how far it came, and the same again goes on', async (t) => {
  const outbox = await openPaused(t)
  await fill(outbox)
  const ending = new AbortController()
  const error = await refused(() => {
    const holding = outbox.holdMessages({}, by, { signal: ending.signal })
    void count(outbox, 'HELD', 0).then(() => ending.abort())
    return holding
  }, 'ERR_COMMAND_ENDED')
  assert.ok(error.count < MANY, `${error.count} were held`)
  assert.match(error.message, new RegExp(`${error.count} messages are changed`))
  assert.equal((await outbox.countMessages({ status: 'HELD' })).count, error.count)
  assert.equal((await outbox.holdMessages({}, by)).count, MANY - error.count)
  const ended = await refused(() => outbox.releaseMessages({}, by, { signal: AbortSignal.abort() }), 'ERR_COMMAND_ENDED')
  assert.equal(ended.count, 0)
})

test('a close in the middle ends it between two parts, and what it says is what is on disk', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/', {}, { dispatch: false })
  const outbox = await door.Outbox.open(settings)
  await fill(outbox)
  const holding = refused(() => outbox.holdMessages({}, by), 'ERR_STOPPED')
  await outbox.close()
  const error = await holding
  const again = await door.Outbox.open(settings)
  t.after(() => again.close())
  assert.equal((await again.countMessages({ status: 'HELD' })).count, error.count)
  assert.ok(error.count < MANY)
  assert.equal((await again.holdMessages({}, by)).count, MANY - error.count)
})

test('two commands on many are carried out in the order of the calls, and a small one does not wait for them', async (t) => {
  const outbox = await openPaused(t)
  const [first] = await fill(outbox)
  const order = []
  const note = (name) => (changed) => {
    order.push(name)
    return changed.count
  }
  const counts = await Promise.all([
    outbox.holdMessages({}, by).then(note('hold')),
    outbox.cancelMessages({ status: 'HELD' }, by).then(note('cancel')),
    outbox.cancelMessages({ ids: [first] }, by).then(note('one')),
  ])
  // When the second is given, nothing is held yet: it means none, and is through at once.
  assert.deepEqual(counts, [MANY - 1, 0, 1])
  assert.deepEqual(order.at(-1), 'hold')
})

test('counting is exact by every filter, and ids without a message count for nothing', async (t) => {
  const outbox = await openPaused(t)
  const ids = await fill(outbox, 300, { tags: { schoolId: '12' } })
  await fill(outbox, 50)
  await outbox.cancelMessages({ ids: ids.slice(0, 20) }, by)
  const counted = async (filter) => {
    const { count: number, exact } = await outbox.countMessages(filter)
    assert.equal(exact, true)
    return number
  }
  assert.equal(await counted(undefined), 350)
  assert.equal(await counted({ tags: { schoolId: '12' } }), 300)
  assert.equal(await counted({ tags: { schoolId: '12' }, status: ['CANCELLED', 'FAILED'] }), 20)
  assert.equal(await counted({ destination: 'malaffi', status: 'PENDING' }), 330)
  assert.equal(await counted({ destination: 'nobody' }), 0)
  assert.equal(await counted({ ids: [...ids.slice(0, 3), '01900000-0000-7000-8000-000000000000'] }), 3)
  assert.equal(await counted({ messageType: 'ADT^A08', from: new Date(0) }), 350)
  await refused(() => outbox.countMessages({ ids: ['x'] }), 'ERR_MESSAGE_ID')
  await refused(() => outbox.countMessages({ limit: 3 }), 'ERR_OPTION')
})

test('options of a command are checked', async (t) => {
  const outbox = await openPaused(t)
  for (const options of [null, 1, { signal: {} }, { onProgress: 1 }, { timeoutMs: 3 }]) {
    await refused(() => outbox.holdMessages({}, by, options), 'ERR_OPTION', JSON.stringify(options))
  }
})
