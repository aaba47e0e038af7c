// Persons who steer at random while messages leave: whatever they do, the promises hold.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, open, until } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const LANES = 6
const STEPS = 400
const REFUSE = { type: 'ae', errors: [{ code: '103' }] }
const RULES = [{ when: { probability: 0.12 }, answer: REFUSE }, { when: { probability: 0.06 }, answer: { type: 'status', status: 500 } }]
const DOUBT = { when: { probability: 0.04 }, answer: { type: 'closeAfterBody' } }
const LATENCY = { minMs: 0, maxMs: 4 }

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

/** The place of a message in its lane: a correction stands where the first of its line stood. */
function positions(all) {
  const byId = new Map(all.map((each) => [each.id, each]))
  const position = (message) => (message.replaces !== null && byId.has(message.replaces) ? position(byId.get(message.replaces)) : message.seq)
  return new Map(all.map((each) => [each.controlId, position(each)]))
}

function message(roll, n) {
  const lane = `S-${roll(LANES)}`
  return [hl7({ control: `M${n}`, patient: lane }), { tags: { lane }, priority: roll(5) === 0 ? 'urgent' : 'routine', hold: roll(9) === 0 }]
}

/** One step of somebody. The careful never go over newer data. */
async function step(outbox, roll, known, n, careful) {
  const some = () => known[roll(known.length)]
  switch (known.length < 10 ? 0 : roll(12)) {
    case 7: return outbox.holdMessages({ ids: [some(), some()] }, by)
    case 8: return outbox.releaseMessages(roll(2) === 0 ? { status: 'HELD' } : { ids: [some()] }, by)
    case 9: return outbox.retryMessages({ status: ['FAILED', 'CANCELLED'][roll(2)] }, { ...by, allowOvertaken: !careful && roll(4) === 0 })
    case 10: return careful || roll(2) === 0 ? outbox.cancelMessages({ ids: [some()] }, by) : outbox.resendMessages({ ids: [some()] }, by)
    case 11: {
      const id = some()
      const { status, replacedBy, overtaken } = await outbox.getMessage(id)
      if (careful && overtaken) return
      if (replacedBy !== null || (status !== 'FAILED' && status !== 'HELD')) return !careful && roll(3) === 0 && outbox.purgeMessages({ ids: [id] }, by)
      // Somebody else may have been there in between.
      const patient = (await outbox.getMessage(id)).tags.lane
      return outbox.replaceMessage(id, hl7({ control: `C${n}`, patient }), by).then((stored) => known.push(stored.id), ({ code }) => assert.match(code, /^ERR_(STATE|MESSAGE_ID)$/))
    }
    default: return known.push((await outbox.enqueueHl7(...message(roll, n))).id)
  }
}

/** What is in flight is neither delivered nor waiting: who wants to be sure lets it end first. */
async function inCalm(outbox, act) {
  await outbox.pauseDestination('malaffi', by)
  await until(outbox, async () => (await outbox.getHealth()).destinations.malaffi.inFlight === 0)
  await act()
  await outbox.resumeDestination('malaffi', by)
}

test('steered at random by careful persons, no older message of a lane is ever delivered after a newer one', { timeout: 120_000 }, async (t) => {
  for (const seed of [5, 6, 7]) {
    const taker = await receiver(t, { latency: LATENCY, rules: RULES, seed })
    const outbox = await open(t, taker.url, { concurrency: 4, retry: { scheduleMs: [5], jitter: 0, maxAttempts: 3 } })
    const roll = dice(seed)
    const known = []
    for (let n = 0; n < STEPS; n++) {
      if (n % 20 < 16) await outbox.enqueueHl7(...message(roll, n)).then(({ id }) => known.push(id))
      else await inCalm(outbox, () => step(outbox, roll, known, n, true))
    }
    const place = positions(await everything(outbox))
    const taken = (await taker.received()).filter((item) => item.taken)
    assert.ok(taken.length > 100, `${taken.length} were delivered`)
    for (let lane = 0; lane < LANES; lane++) {
      const own = taken.filter(({ patient }) => patient === `S-${lane}`).map(({ controlId }) => place.get(controlId))
      assert.deepEqual(own, [...own].sort((a, b) => a - b), `lane ${lane}, seed ${seed}`)
    }
  }
})

for (const [seed, afterFailure] of [[1, 'continue'], [2, 'hold'], [3, 'hold'], [4, 'continue']]) {
  test(`steered at random (${seed}, ${afterFailure}), no lane overlaps, the books are right, and the feed tells every move once`, { timeout: 120_000 }, async (t) => {
    const taker = await receiver(t, { latency: LATENCY, rules: [...RULES, DOUBT], seed })
    const outbox = await open(t, taker.url, { afterFailure, concurrency: 4, retry: { scheduleMs: [5], jitter: 0, maxAttempts: 3 } })
    const roll = dice(seed)
    const known = []
    const running = new Set()
    for (let n = 0; n < STEPS; n++) {
      const one = step(outbox, roll, known, n, false)
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
