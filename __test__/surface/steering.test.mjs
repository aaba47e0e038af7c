// Persons who steer at random while messages leave: whatever they do, the promises hold.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, open, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const LANES = 6
const STEPS = 400
const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const BEHAVIOUR = {
  latency: { minMs: 0, maxMs: 4 },
  rules: [{ when: { probability: 0.12 }, answer: REFUSE }, { when: { probability: 0.06 }, answer: { type: 'status', status: 500 } }, { when: { probability: 0.04 }, answer: { type: 'closeAfterBody' } }],
}

/** Numbers below a limit, the same for the same seed. */
function dice(seed) {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return (state >>> 8) % limit
  }
}

/** Every message, oldest first. */
async function everything(outbox) {
  const all = []
  for (let cursor; cursor !== null; ) {
    const page = await outbox.listMessages({ order: 'oldest', limit: 500, cursor })
    all.push(...page.items)
    cursor = page.nextCursor
  }
  return all
}

/** One step of somebody. */
async function step(outbox, roll, known, n) {
  const some = () => known[roll(known.length)]
  const lane = `S-${roll(LANES)}`
  switch (known.length < 10 ? 0 : roll(12)) {
    case 7: return outbox.holdMessages({ ids: [some(), some()] }, by)
    case 8: return outbox.releaseMessages(roll(2) === 0 ? { status: 'HELD' } : { ids: [some()] }, by)
    case 9: return outbox.retryMessages({ status: ['FAILED', 'CANCELLED'][roll(2)] }, { ...by, allowOvertaken: roll(4) === 0 })
    case 10: return roll(2) === 0 ? outbox.cancelMessages({ ids: [some()] }, by) : outbox.resendMessages({ ids: [some()] }, by)
    case 11: {
      const id = some()
      const { status, replacedBy } = await outbox.getMessage(id)
      if (replacedBy !== null || (status !== 'FAILED' && status !== 'HELD')) return roll(3) === 0 && outbox.purgeMessages({ ids: [id] }, by)
      // Somebody else may have been there in between.
      const patient = (await outbox.getMessage(id)).tags.lane
      return outbox.replaceMessage(id, hl7({ control: `C${n}`, patient }), by).then((stored) => known.push(stored.id), ({ code }) => assert.match(code, /^ERR_(STATE|MESSAGE_ID)$/))
    }
    default: {
      const options = { tags: { lane }, priority: roll(5) === 0 ? 'urgent' : 'routine', hold: roll(9) === 0 }
      return known.push((await outbox.enqueueHl7(hl7({ control: `M${n}`, patient: lane }), options)).id)
    }
  }
}

for (const [seed, afterFailure] of [[1, 'continue'], [2, 'hold'], [3, 'hold'], [4, 'continue']]) {
  test(`steered at random (${seed}, ${afterFailure}), no lane overlaps, the books are right, and the feed tells every move once`, { timeout: 120_000 }, async (t) => {
    const taker = await receiver(t, { ...BEHAVIOUR, seed })
    const outbox = await open(t, taker.url, { afterFailure, concurrency: 4, retry: { scheduleMs: [5], jitter: 0, maxAttempts: 3 } })
    const roll = dice(seed)
    const known = []
    const running = new Set()
    for (let n = 0; n < STEPS; n++) {
      const one = step(outbox, roll, known, n)
      running.add(one)
      void one.finally(() => running.delete(one)).catch(() => undefined)
      if (running.size >= 4) await Promise.race(running)
      // Too many refusals in a row pause the destination; a person resumes it.
      if (n % 50 === 49) await outbox.resumeDestination('malaffi', by)
    }
    await Promise.all(running)

    // From here on everything is accepted: what waits for a person is sent, withdrawn or released.
    await taker.behave({})
    await until(outbox, async () => {
      await outbox.resumeDestination('malaffi', by)
      await outbox.releaseMessages({}, { ...by, allowOvertaken: true })
      await outbox.retryMessages({ status: 'FAILED' }, { ...by, allowOvertaken: true })
      const { PENDING, HELD, FAILED } = (await outbox.getStats()).byStatus
      return PENDING + HELD + FAILED === 0
    }, 'the end of all messages')

    const all = await everything(outbox)
    const counted = Object.fromEntries(['PENDING', 'HELD', 'SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED'].map((status) => [status, all.filter((each) => each.status === status).length]))
    assert.deepEqual((await outbox.getStats()).byStatus, counted)

    const arrivals = await taker.received()
    for (let lane = 0; lane < LANES; lane++) {
      const own = arrivals.filter(({ patient }) => patient === `S-${lane}`)
      for (let n = 1; n < own.length; n++) assert.ok(own[n].at >= (own[n - 1].answeredAt ?? own[n - 1].at), `two of lane ${lane} at once`)
    }
    // Whoever was delivered is known to have been, and whoever came twice is marked, refused in between, or tried again after a fault.
    const arrived = new Set(arrivals.map(({ controlId }) => controlId))
    for (const { controlId, status } of all) assert.ok(status !== 'ACKNOWLEDGED' || arrived.has(controlId), controlId)
    for (const message of all) {
      const taken = arrivals.filter((item) => item.controlId === message.controlId && item.taken)
      assert.ok(taken.length <= 1 || message.possibleDuplicate, `${message.controlId} was taken ${taken.length} times without the mark`)
    }

    const seen = new Map()
    const end = new AbortController()
    const last = await outbox.enqueueHl7(hl7({ control: 'END' }), { hold: true })
    for await (const { id, from, to } of outbox.statusChanges({ signal: end.signal })) {
      assert.equal(seen.get(id) ?? null, from)
      seen.set(id, to)
      if (id === last.id) end.abort()
    }
    for (const id of known) assert.equal(seen.get(id), (await outbox.getMessage(id)).status)
  })
}
