// What every real receiver must come to, whatever the transport.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

import { controlId, hl7 } from '../../support/messages.mjs'
import { open, reach, until } from '../../support/outbox.mjs'

const BYTES_LARGE = 1_500_000
/** Over the limit of the receiver made with the library hl7. */
const BYTES_TOO_LARGE = 6_000_000
const digest = (text) => createHash('sha256').update(text).digest('hex')

/** Sends one message to its end; resolves with it and its attempts. */
export async function deliver(outbox, message, status) {
  const { id } = await outbox.enqueueHl7(message)
  return { ...(await reach(outbox, id, status)), tries: await outbox.getAttempts(id) }
}

const rows = ({ tries }) => tries.map(({ row }) => row)

/** AA, AE, AR, CRLF, Arabic and a large message, at the receiver made with the library hl7. */
export async function answers(t, receiver, { url, destination = {} }) {
  const outbox = await open(t, url, { rateLimit: null, ...destination })
  const good = [hl7({ control: controlId('AA') }), hl7({ control: controlId('CRLF') }), hl7({ control: controlId('AA'), arabic: true }), hl7({ control: controlId('AA'), bytes: BYTES_LARGE })]
  for (const message of good) {
    const delivered = await deliver(outbox, message, 'ACKNOWLEDGED')
    assert.deepEqual([rows(delivered), delivered.warning], [['aa'], null])
    const [arrived, ...more] = receiver.received().filter((each) => each.controlId === delivered.controlId)
    assert.deepEqual([arrived.sha256, more], [digest(message), []], 'arrived once, byte for byte')
  }
  const refused = await deliver(outbox, hl7({ control: controlId('AE') }), 'FAILED')
  assert.deepEqual([rows(refused), refused.failure.reason, refused.failure.code], [['ae'], 'rejected', 'ACK_AE'])
  const later = await deliver(outbox, hl7({ control: controlId('AR') }), 'ACKNOWLEDGED')
  assert.deepEqual([rows(later), later.possibleDuplicate], [['ar', 'aa'], false])
}

/** A receiver that closes without an answer, or in the middle of one: sent again with the mark, and both arrive alike. */
export async function drops(t, receiver, { url, destination = {} }) {
  const outbox = await open(t, url, { rateLimit: null, ...destination })
  for (const word of ['DROP', 'HALF']) {
    const message = hl7({ control: controlId(word) })
    const delivered = await deliver(outbox, message, 'ACKNOWLEDGED')
    const outcomes = delivered.tries.map(({ outcome }) => outcome)
    assert.deepEqual([outcomes[0], outcomes.at(-1), delivered.possibleDuplicate], ['indeterminate', 'accepted', true], word)
    const arrived = receiver.received().filter((each) => each.controlId === delivered.controlId)
    assert.deepEqual([...new Set(arrived.map(({ sha256 }) => sha256))], [digest(message)], word)
    assert.ok(arrived.length >= 2 && arrived.length <= outcomes.length, `${word}: arrived ${arrived.length} times in ${outcomes.length} attempts`)
  }
}

/** A receiver that closes in the middle of the request: it may have it or not, as far as anybody can tell, but never accepted it. */
export async function drop(t, receiver, { url, destination = {} }) {
  const retry = { scheduleMs: [3_600_000], jitter: 0 }
  const outbox = await open(t, url, { rateLimit: null, ...destination, retry })
  const { id } = await outbox.enqueueHl7(hl7({ bytes: BYTES_TOO_LARGE }))
  await receiver.dropped()
  const [first] = await attempted(outbox, id)
  assert.ok(['unreachable', 'indeterminate'].includes(first.outcome), first.row)
  assert.deepEqual([(await outbox.getMessage(id)).status, receiver.received()], ['PENDING', []])
}

/** Resolves with the attempts of a message when one has ended. */
export function attempted(outbox, id) {
  return until(outbox, async () => {
    const attempts = await outbox.getAttempts(id)
    return attempts.some(({ endedAt }) => endedAt !== null) && attempts
  })
}

/** The refusals of the strict receiver, each with its place in the table. */
export async function refusals(t, { url, destination = {} }) {
  const outbox = await open(t, url, { rateLimit: null, ...destination })
  const live = (rest) => hl7({ ...rest, msh: { 11: 'P', ...rest?.msh } })
  const expected = [
    [live({ msh: { 11: 'T' } }), 'ACK_AR_202'],
    [live({ msh: { 11: '' } }), 'ACK_AR_101'],
    [live({ noPatient: true }), 'ACK_AE_101'],
    [live({ type: 'ORU^R01' }).replace(/\rOBR[^\r]*/, ''), 'ACK_AE_101'],
    [live({ msh: { 12: '2.8' } }), 'ACK_AR_203'],
  ]
  for (const [message, code] of expected) {
    const refused = await deliver(outbox, message, 'FAILED')
    assert.deepEqual([rows(refused), refused.failure.reason, refused.failure.code], [['err-permanent'], 'rejected', code])
  }
  for (const message of [live({}), live({ arabic: true }), live({ bytes: BYTES_LARGE }), live({ type: 'ADT^A03' })]) {
    const warned = await deliver(outbox, message, 'ACKNOWLEDGED')
    assert.deepEqual([rows(warned), warned.warning], [['aa'], 'receiver-warned'], 'AA with an ERR of severity W')
  }
}

/** A receiver whose own back end is away: AR with 207, which passes. */
export async function outage(t, { url, destination = {} }) {
  const retry = { scheduleMs: [20], jitter: 0, maxAttempts: 3 }
  const outbox = await open(t, url, { rateLimit: null, ...destination, retry })
  const given = await deliver(outbox, hl7({ msh: { 11: 'P' } }), 'FAILED')
  assert.deepEqual([rows(given), given.failure.reason, given.failure.code], [Array(3).fill('internal-error'), 'exhausted', 'ACK_AR_207'])
}
