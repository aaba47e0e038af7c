// The application of the rig flip: opens one damaged file after another and tells what it sees. A defect that ends a process
// ends this one. Its standard error is the log.
import { createInterface } from 'node:readline'

import { by, door } from '../../../__test__/support/outbox.mjs'
import { digestOf } from '../receiver.mjs'

/** Nothing has changed for so long: nothing more will. */
const QUIET_MS = 250
const LOOK_EVERY_MS = 25
const SETTLED_MS_MAX = 20_000

/** What it comes to, or the code of the refusal. */
async function outcome(promise) {
  try {
    return { value: await promise }
  } catch (error) {
    return { code: error.code ?? `no code: ${error.message}` }
  }
}

async function settle(outbox, codes, expected) {
  const deadline = performance.now() + SETTLED_MS_MAX
  for (let before = '', since = performance.now(); performance.now() < deadline; ) {
    const { value, code } = await outcome(outbox.getStats())
    if (code !== undefined) codes.push(code)
    if (value?.byStatus.PENDING === 0) return
    const now = JSON.stringify(value?.byStatus ?? code)
    if (now !== before) [before, since] = [now, performance.now()]
    // What is to come is known of a file whose bodies alone are damaged; of others only that nothing comes any more.
    const isExpected = expected === null || value?.byStatus.FAILED + value?.byStatus.ACKNOWLEDGED === expected
    if (isExpected && performance.now() - since > QUIET_MS) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
}

async function look(outbox, codes) {
  const messages = []
  for (let cursor; cursor !== null; ) {
    const { value, code } = await outcome(outbox.listMessages({ limit: 500, ...(cursor === undefined ? {} : { cursor }) }))
    if (code !== undefined) {
      codes.push(code)
      break
    }
    messages.push(...value.items)
    cursor = value.nextCursor
  }
  for (const message of messages) {
    const { value, code } = await outcome(outbox.getMessageContent(message.id))
    message.content = value === undefined ? null : value === null ? 'none' : digestOf(Buffer.from(value))
    message.contentCode = code ?? null
    for (const asked of [outbox.getAttempts(message.id), outbox.getAnswer(message.id, 1)]) codes.push(...[(await outcome(asked)).code].filter(Boolean))
  }
  return messages
}

/** `expected`: how many messages end, or null if nobody can know; `mends`: damaged messages are withdrawn, so that lanes go on. */
async function attend({ path, url, expected = null, mends = false }) {
  const codes = []
  const config = { path, destinations: { rig: { url, concurrency: 8, retry: { scheduleMs: [20], jitter: 0 } } }, log: { level: 'error' } }
  const { value: outbox, code } = await outcome(door.Outbox.open(config))
  if (outbox === undefined) return { codes: [code], messages: [] }
  // A copy of a file sends nothing until a person says so.
  codes.push(...[(await outcome(outbox.resumeDestination('rig', by))).code].filter(Boolean))
  await settle(outbox, codes, expected)
  const messages = await look(outbox, codes)
  if (mends) {
    for (let left = 1_000; left > 0 && (await outbox.getStats()).byStatus.PENDING > 0; left--) {
      await outbox.cancelMessages({ failureCode: 'BODY_DAMAGED', status: 'FAILED' }, by)
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    }
  }
  const after = mends ? await look(outbox, []) : messages
  const closed = await outcome(outbox.close({ timeoutMs: 2_000 }))
  if (closed.code !== undefined) codes.push(closed.code)
  return { codes, messages, after }
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { n, ...job } = JSON.parse(line)
  const answer = await attend(job).catch((error) => ({ codes: [`no code: ${error.stack}`], messages: [] }))
  process.stdout.write(`${JSON.stringify({ n, ...answer })}\n`)
})
