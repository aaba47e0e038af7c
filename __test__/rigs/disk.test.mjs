// The disk refuses writes and recovers: what was promised is kept, callers hear why, and nobody restarts anything. Linux: the
// kernel's own limits make the faults, nothing in the program knows of them. A disk that is full is `full.test.mjs`.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import { hl7 } from '../support/messages.mjs'
import { config, folder } from '../support/outbox.mjs'
import { startApp } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const WAIT_MS_MAX = 20_000

/** Asks until it holds. */
async function eventually(look, what) {
  const deadline = Date.now() + WAIT_MS_MAX
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${WAIT_MS_MAX / 1000} s`)
    await sleep(50)
  }
}

const limitFileSize = (pid, bytes) => execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:unlimited`])

/** Calls the application's door; answers the code of the refusal, or nothing. */
const codeOf = (promise) => promise.then(() => undefined, (error) => error.code)

test('a disk that refuses to write rejects every caller, keeps what it promised, and is in use again without a restart', async (t) => {
  const taker = await receiver(t)
  const path = join(folder(t), 'outbox.db')
  const app = await startApp(t, config(path, taker.url))
  const stored = []
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 20; n++) stored.push(await app.call('enqueueHl7', hl7({ patient: `D-${n}` })))
    // Every write beyond the first bytes of a file fails from now on, also those to pages that are there already.
    limitFileSize(app.pid, 16)
    const refusals = await Promise.all(Array.from({ length: 20 }, (_, n) => codeOf(app.call('enqueueHl7', hl7({ patient: `F-${n}` })))))
    assert.ok(refusals.every((code) => code === 'ERR_STORE_FAILED'), `refused with ${[...new Set(refusals)].join(', ')}`)
    const { problems } = await eventually(async () => {
      const health = await app.call('getHealth')
      return health.status === 'down' ? health : null
    }, 'health that says down')
    assert.equal(problems[0].code, 'store-failed')
    // The file can be read through, and that is not enough: it stays down as long as it takes no write.
    await sleep(1_000)
    assert.equal((await app.call('getHealth')).status, 'down')
    limitFileSize(app.pid, 'unlimited')
    await eventually(async () => (await codeOf(app.call('getStats'))) === undefined, 'a store that answers again')
    await eventually(async () => (await codeOf(app.call('enqueueHl7', hl7({ patient: 'AFTER' })))) === undefined, 'an enqueue that is taken again')
  }
  await eventually(async () => {
    const { byStatus } = await app.call('getStats')
    return byStatus.PENDING === 0 && byStatus.FAILED === 0
  }, 'an empty queue')
  for (const { id } of stored) assert.equal((await app.call('getMessage', id)).status, 'ACKNOWLEDGED')
  const order = (await taker.received()).filter((item) => item.taken && item.patient?.startsWith('D-'))
  for (let n = 0; n < 20; n++) {
    const own = [...new Set(order.filter((item) => item.patient === `D-${n}`).map((item) => item.controlId))]
    assert.deepEqual(own, stored.filter((_, k) => k % 20 === n).map((each) => each.controlId), `the order of patient D-${n}`)
  }
})
