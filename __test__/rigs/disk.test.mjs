// The disk refuses writes, or is full, and recovers: what was promised is kept, callers hear why, and nobody restarts anything.
// Linux, with the right to mount: the kernel's own limits make the faults, nothing in the program knows of them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
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
    const health = await eventually(async () => {
      const answer = await app.call('getHealth').catch((error) => ({ status: error.code }))
      return answer.status === 'down' || answer.status === 'ERR_STORE_FAILED' ? answer : null
    }, 'health that says down')
    assert.ok(health)
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

test('a full disk refuses new messages with its own code, lets stored ones leave, and takes messages again when there is room', async (t) => {
  const taker = await receiver(t, { answer: 'silent' })
  const disk = mkdtempSync(join(tmpdir(), 'hl7-outbox-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', disk])
  t.after(() => {
    execFileSync('umount', ['--lazy', disk])
    rmdirSync(disk)
  })
  const retry = { scheduleMs: [100], maxAttempts: 1_000, maxIndeterminate: 1_000 }
  const app = await startApp(t, config(join(disk, 'outbox.db'), taker.url, { timeouts: { totalMs: 200 }, retry }))
  const stored = []
  for (let n = 0; n < 300; n++) stored.push(await app.call('enqueueHl7', hl7({ patient: `D-${n}` })))
  // Folded back from the log into the file, which has grown for them then.
  await eventually(async () => (await app.call('getHealth')).file.bytes > (2 << 20) + 200_000, 'the messages in the file itself')
  for (let round = 0; round < 5; round++) {
    const ballast = join(disk, 'ballast')
    try {
      writeFileSync(ballast, Buffer.alloc(64 << 20))
    } catch (error) {
      assert.equal(error.code, 'ENOSPC')
    }
    // The free room is looked at a few times a second; until then the room set aside for the log takes messages.
    const began = Date.now()
    const code = await eventually(async () => {
      const call = app.call('enqueueHl7', hl7({ patient: 'FULL' }))
      await call.then((enqueued) => stored.push(enqueued), () => undefined)
      return codeOf(call)
    }, 'a refusal')
    assert.equal(code, 'ERR_DISK_FULL')
    assert.ok(Date.now() - began < 1_000, 'refused within a second')
    if (round === 4) {
      // The receiver answers now, and the disk is still full: what is stored leaves all the same.
      await taker.behave({ answer: 'aa' })
      await eventually(async () => (await app.call('getStats')).byStatus.ACKNOWLEDGED >= 300, '300 deliveries on a full disk')
    }
    rmSync(ballast)
    const after = await eventually(() => app.call('enqueueHl7', hl7({ patient: 'ROOM' })).catch(() => null), 'an enqueue that is taken again')
    stored.push(after)
  }
  await eventually(async () => (await app.call('getStats')).byStatus.PENDING === 0, 'an empty queue')
  for (const { id } of stored) assert.equal((await app.call('getMessage', id)).status, 'ACKNOWLEDGED')
})
