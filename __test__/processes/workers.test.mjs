// worker_threads share the file of their process, come and go, and are ended in the middle of their work.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { Worker } from 'node:worker_threads'

import { hl7 } from '../support/messages.mjs'
import { config, count, door, folder, open, reach, root, until } from '../support/outbox.mjs'
import { firsts, receiver } from '../support/receiver.mjs'

const SOURCE = `
  const { parentPort, workerData } = require('node:worker_threads')
  const outbox = require(workerData.door)
  async function run() {
    await outbox.startOutbox(workerData.config)
    parentPort.postMessage('started')
    const all = workerData.messages.map((message) => outbox.enqueueHl7(message))
    const stored = await Promise.all(all)
    parentPort.postMessage(stored.map(({ id }) => id))
    if (workerData.stop) await outbox.stopOutbox()
  }
  run()
`

function work(settings, messages, stop = false) {
  const worker = new Worker(SOURCE, { eval: true, workerData: { door: join(root, 'index.js'), config: settings, messages, stop } })
  let starts
  let stores
  worker.started = new Promise((resolve) => (starts = resolve))
  worker.stored = new Promise((resolve, reject) => {
    stores = resolve
    worker.once('error', reject)
  })
  // Who ends a worker on purpose does not wait for it.
  worker.stored.catch(() => undefined)
  worker.ended = new Promise((resolve) => worker.once('exit', resolve))
  worker.on('message', (message) => (message === 'started' ? starts() : stores(message)))
  return worker
}

const messagesOf = (worker, number) => Array.from({ length: number }, (_, n) => hl7({ control: `W${worker}N${String(n).padStart(4, '0')}`, patient: `WORKER-${worker}` }))

test('four workers enqueue on one file, each in its own order, and the main thread reads it', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const settings = config((await outbox.getHealth()).file.path, taker.url)
  const workers = [1, 2, 3, 4].map((n) => work(settings, messagesOf(n, 100), true))
  const ids = await Promise.all(workers.map((worker) => worker.stored))
  assert.equal(new Set(ids.flat()).size, 400)
  assert.deepEqual(await Promise.all(workers.map((worker) => worker.ended)), [0, 0, 0, 0])
  await count(outbox, 'ACKNOWLEDGED', 400)
  const arrivals = firsts(await taker.received()).map(({ controlId }) => controlId)
  for (const n of [1, 2, 3, 4]) {
    const own = arrivals.filter((control) => control.startsWith(`W${n}`))
    assert.deepEqual(own, own.toSorted())
    assert.equal(own.length, 100)
  }
})

test('workers that are terminated in the middle of their work take nothing down with them, twenty rounds long', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const settings = config((await outbox.getHealth()).file.path, taker.url)
  for (let round = 0; round < 20; round++) {
    const workers = [1, 2, 3, 4].map((n) => work(settings, messagesOf(`${round}X${n}`, 30)))
    await Promise.race(workers.map((worker) => worker.started))
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  const { id } = await outbox.enqueueHl7(hl7({ patient: 'AFTER-ALL' }))
  await reach(outbox, id, 'ACKNOWLEDGED')
  await until(outbox, async () => (await outbox.getStats()).byStatus.PENDING === 0)
  const arrivals = await taker.received()
  assert.equal(firsts(arrivals).length, arrivals.length, 'nothing was sent twice')
})

test('a worker that alone had opened the file ends, and the main thread opens it anew and delivers', async (t) => {
  const taker = await receiver(t, { latency: 20 })
  const settings = config(join(folder(t), 'outbox.db'), taker.url)
  const worker = work(settings, messagesOf(9, 20))
  await worker.stored
  await worker.ended
  const outbox = await door.Outbox.open(settings)
  t.after(() => outbox.close({ timeoutMs: 0 }))
  await count(outbox, 'ACKNOWLEDGED', 20)
  assert.equal((await outbox.getHealth()).dispatcher.here, true)
})

test('a worker that ended without closing does not keep the file: another configuration opens it', async (t) => {
  const taker = await receiver(t)
  const settings = config(join(folder(t), 'outbox.db'), taker.url)
  const worker = work(settings, messagesOf(8, 1))
  await worker.stored
  await worker.ended
  const other = { ...settings, limits: { messageBytes: 5_000 } }
  const outbox = await until({ onStatusChange: () => () => undefined }, () => door.Outbox.open(other).catch((error) => (error.code === 'ERR_ALREADY_STARTED' ? null : Promise.reject(error))), 'the file to be free')
  await outbox.close()
})

test('one process has two files open at once, and they know nothing of each other', async (t) => {
  const [one, other] = [await receiver(t), await receiver(t)]
  const [left, right] = [await open(t, one.url), await open(t, other.url)]
  const heard = { left: [], right: [] }
  left.onStatusChange(({ controlId }) => heard.left.push(controlId))
  right.onStatusChange(({ controlId }) => heard.right.push(controlId))
  const a = await left.enqueueHl7(hl7({ control: 'LEFT' }))
  const b = await right.enqueueHl7(hl7({ control: 'RIGHT' }))
  await reach(left, a.id, 'ACKNOWLEDGED')
  await reach(right, b.id, 'ACKNOWLEDGED')
  assert.equal(await left.getMessage(b.id), null)
  assert.deepEqual([...new Set(heard.left)], ['LEFT'])
  assert.deepEqual([...new Set(heard.right)], ['RIGHT'])
  assert.deepEqual((await one.received()).map(({ controlId }) => controlId), ['LEFT'])
})

test('a second opener in one process with the same configuration shares the outbox, and its end leaves the other open', async (t) => {
  const taker = await receiver(t)
  const settings = config(join(folder(t), 'outbox.db'), taker.url)
  const first = await door.Outbox.open(settings)
  const second = await door.Outbox.open(settings)
  t.after(() => second.close({ timeoutMs: 0 }))
  await first.close()
  const { id } = await second.enqueueHl7(hl7())
  await reach(second, id, 'ACKNOWLEDGED')
})

test('a worker that is terminated while it reads the changes under a name leaves the name to others', { timeout: 30_000 }, async (t) => {
  const settings = config(join(folder(t), 'outbox.db'), 'http://127.0.0.1:9/', { enabled: false })
  const outbox = await door.Outbox.open(settings)
  t.after(() => outbox.close({ timeoutMs: 0 }))
  await outbox.enqueueHl7(hl7({ control: 'READ' }))
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { Outbox } = require(workerData.door)
    Outbox.open(workerData.settings).then(async (outbox) => {
      for await (const { controlId } of outbox.statusChanges({ consumer: 'worker' })) {
        parentPort.postMessage(controlId)
        await new Promise((resolve) => setTimeout(resolve, 3_600_000))
      }
    })`
  const worker = new Worker(source, { eval: true, workerData: { door: join(root, 'index.js'), settings } })
  assert.equal(await new Promise((resolve) => worker.once('message', resolve)), 'READ')
  await worker.terminate()
  for await (const { controlId } of outbox.statusChanges({ consumer: 'worker' })) {
    assert.equal(controlId, 'READ')
    break
  }
})
