// However a process ends while the outbox works, it ends as it would have without it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, folder, open, until } from '../support/outbox.mjs'
import { runScript, startScript } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const RUNS = 30
const AT_ONCE = 3

/** Starts an outbox and keeps enqueuing without waiting; `then` is what happens next. */
const script = (settings, messages, then) => `
  await outbox.startOutbox(${JSON.stringify(settings)})
  const messages = ${JSON.stringify(messages)}
  const all = messages.map((message) => outbox.enqueueHl7(message))
  ${then}
`
const some = (number) => Array.from({ length: number }, (_, n) => hl7({ patient: `E-${n}` }))

test('process.exit in the middle of everything ends with its own code, thirty times', async (t) => {
  const taker = await receiver(t, { latency: 2 })
  const here = folder(t)
  const run = async (n) => {
    const wait = n % 3 === 0 ? '' : `await all[${n}];`
    const settings = config(join(here, `${n}.db`), taker.url, { concurrency: 8 })
    const { code, signal, err } = await runScript(t, script(settings, some(60), `${wait} setTimeout(() => process.exit(7), ${n})`))
    assert.deepEqual({ code, signal, err }, { code: 7, signal: null, err: '' }, `run ${n}`)
  }
  for (let n = 0; n < RUNS; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => run(n + k)))
})

test('SIGTERM without a handler ends the process by that signal, and the next one delivers what was stored', async (t) => {
  const taker = await receiver(t, { latency: 20 })
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, taker.url)
  const program = startScript(t, script(settings, some(30), `await Promise.all(all); console.log('stored'); setInterval(() => {}, 1000)`))
  await program.line((line) => line === 'stored')
  program.child.kill('SIGTERM')
  assert.deepEqual(await program.end(), { code: null, signal: 'SIGTERM' })
  const outbox = await open(t, taker.url, {}, { path })
  await until(outbox, async () => (await outbox.getStats()).byStatus.ACKNOWLEDGED === 30)
})

test('a process with nothing left to do ends by itself although deliveries are pending', async (t) => {
  const taker = await receiver(t, { answer: 'silent' })
  const path = join(folder(t), 'outbox.db')
  const { code, signal, err } = await runScript(t, script(config(path, taker.url), some(10), 'await Promise.all(all)'))
  assert.deepEqual({ code, signal, err }, { code: 0, signal: null, err: '' })
  const outbox = await open(t, taker.url, {}, { path, dispatch: false })
  assert.equal((await outbox.getStats()).byStatus.PENDING, 10)
})

test('a process waits for its enqueues before it ends by itself', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/', {}, { dispatch: false })
  const { code, err, out } = await runScript(t, script(settings, some(100), `Promise.all(all).then((stored) => console.log(stored.length))`))
  assert.deepEqual({ code, err, out }, { code: 0, err: '', out: '100\n' })
})

test('an uncaught exception ends the process with code 1 and its own words', async (t) => {
  const taker = await receiver(t, { latency: 5 })
  const path = join(folder(t), 'outbox.db')
  const { code, signal, err } = await runScript(t, script(config(path, taker.url), some(50), `setTimeout(() => { throw new Error('an invented fault') }, 5)`))
  assert.deepEqual({ code, signal }, { code: 1, signal: null })
  assert.match(err, /an invented fault/)
})

test('a listener does not keep a process alive', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/')
  const { code, err } = await runScript(t, `await outbox.startOutbox(${JSON.stringify(settings)}); outbox.onStatusChange(() => {})`)
  assert.deepEqual({ code, err }, { code: 0, err: '' })
})

test('stopOutbox on SIGINT drains and ends the process cleanly', async (t) => {
  const taker = await receiver(t, { latency: 100 })
  const path = join(folder(t), 'outbox.db')
  const then = `process.on('SIGINT', async () => { console.log(JSON.stringify(await outbox.stopOutbox())); clearInterval(alive) })
    const alive = setInterval(() => {}, 1000); await Promise.all(all); console.log('stored')`
  const program = startScript(t, script(config(path, taker.url), some(4), then))
  await program.line((line) => line === 'stored')
  program.child.kill('SIGINT')
  assert.deepEqual(await program.end(), { code: 0, signal: null })
  assert.match(program.out, /\{"drained":true\}/)
  const outbox = await open(t, taker.url, {}, { path, dispatch: false })
  const { byStatus } = await outbox.getStats()
  assert.equal(byStatus.PENDING + byStatus.ACKNOWLEDGED, 4)
  assert.equal((await outbox.listMessages({ possibleDuplicate: true })).items.length, 0)
})
