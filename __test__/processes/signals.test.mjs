// stopOnSignals: a process that is asked to end stops its outbox first.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, door, folder, open, root, until } from '../support/outbox.mjs'
import { environment, startScript } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const noSignals = process.platform === 'win32' && 'Windows has no signals'

/** Arms, stores some messages of one patient, and lives until it is told otherwise. */
const script = (path, url, options, more = '') => `
  ${more}
  outbox.stopOnSignals(${options})
  await outbox.startOutbox(${JSON.stringify(config(path, url))})
  await Promise.all(${JSON.stringify([1, 2, 3].map(() => hl7({ patient: 'S' })))}.map((message) => outbox.enqueueHl7(message)))
  setInterval(() => {}, 1000)
  console.log('stored')`

async function marked(t, path, url) {
  const outbox = await open(t, url, {}, { path, dispatch: false })
  return (await outbox.listMessages({ possibleDuplicate: true })).items.length
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} lets the attempt in flight end, and the process ends with code 0`, { skip: noSignals }, async (t) => {
    const taker = await receiver(t, { latency: 300 })
    const path = join(folder(t), 'outbox.db')
    const program = startScript(t, script(path, taker.url, ''))
    await program.line((line) => line === 'stored')
    await taker.until(1)
    program.child.kill(signal)
    // A second one, as a terminal and npm both send it.
    program.child.kill(signal)
    assert.deepEqual(await program.end(), { code: 0, signal: null })
    assert.equal(await marked(t, path, taker.url), 0)
    assert.equal((await taker.received()).length, 1, 'nothing more was claimed')
  })
}

test('what does not end in time is cut, and the next sender repeats it, marked', { skip: noSignals }, async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: 'silent' }] })
  const path = join(folder(t), 'outbox.db')
  const program = startScript(t, script(path, taker.url, '{ timeoutMs: 200 }'))
  await program.line((line) => line === 'stored')
  await taker.until(1)
  program.child.kill('SIGINT')
  assert.deepEqual(await program.end(), { code: 0, signal: null })
  const outbox = await open(t, taker.url, {}, { path })
  await until(outbox, async () => (await outbox.getStats()).byStatus.ACKNOWLEDGED === 3)
  assert.equal((await outbox.listMessages({ possibleDuplicate: true })).items.length, 1)
})

test('the message `shutdown` counts as a signal, and no other message does', async (t) => {
  const taker = await receiver(t)
  const place = folder(t)
  const program = join(place, 'application.mjs')
  writeFileSync(program, `import * as outbox from ${JSON.stringify(`file://${join(root, 'index.mjs')}`)}
    outbox.stopOnSignals({ signals: [] })
    await outbox.startOutbox(${JSON.stringify(config(join(place, 'outbox.db'), taker.url))})
    process.on('message', (message) => message === 'hello' && process.send('here'))
    process.send('ready')`)
  const child = fork(program, { env: environment() })
  t.after(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  assert.deepEqual((await once(child, 'message'))[0], 'ready')
  child.send('hello')
  assert.deepEqual((await once(child, 'message'))[0], 'here')
  child.send('shutdown')
  assert.deepEqual(await ended, [0, null])
})

test('`first` is awaited before the outbox stops, and what it throws ends the process with code 1', { skip: noSignals }, async (t) => {
  const taker = await receiver(t)
  const place = folder(t)
  const last = hl7({ patient: 'LAST' })
  const first = `{ first: async () => { await outbox.enqueueHl7(${JSON.stringify(last)}); console.log('taken'); throw new Error('an invented fault') } }`
  const program = startScript(t, script(join(place, 'outbox.db'), taker.url, first))
  await program.line((line) => line === 'stored')
  program.child.kill('SIGINT')
  assert.deepEqual(await program.end(), { code: 1, signal: null })
  assert.match(program.out, /taken/)
  assert.match(program.err, /an invented fault/)
})

test('`first` is not waited for longer than half of the time', { skip: noSignals }, async (t) => {
  const taker = await receiver(t)
  const program = startScript(t, script(join(folder(t), 'outbox.db'), taker.url, '{ timeoutMs: 400, first: () => new Promise(() => {}) }'))
  await program.line((line) => line === 'stored')
  program.child.kill('SIGINT')
  assert.deepEqual(await program.end(5_000), { code: 0, signal: null })
})

test('with `exit: false` the application ends itself, and armed again the newer options hold', { skip: noSignals }, async (t) => {
  const taker = await receiver(t)
  const more = `process.once('SIGINT', async () => { const drained = await outbox.stopOutbox(); console.log(JSON.stringify(drained)); process.exit(7) })
    outbox.stopOnSignals({ exit: true })`
  const program = startScript(t, script(join(folder(t), 'outbox.db'), taker.url, '{ exit: false }', more))
  await program.line((line) => line === 'stored')
  program.child.kill('SIGINT')
  assert.deepEqual(await program.end(), { code: 7, signal: null })
  assert.match(program.out, /\{"drained":true\}/)
})

test('disarmed, signals do again what they did', { skip: noSignals }, async (t) => {
  const program = startScript(t, `outbox.stopOnSignals()(); setInterval(() => {}, 1000); console.log('armed and disarmed')`)
  await program.line((line) => line === 'armed and disarmed')
  program.child.kill('SIGTERM')
  assert.deepEqual(await program.end(), { code: null, signal: 'SIGTERM' })
})

test('a worker whose process somebody else keeps alive ends all the same, also when it is told so at once', { skip: noSignals }, async (t) => {
  const place = folder(t)
  const file = join(place, 'settings.json')
  writeFileSync(file, JSON.stringify(config(join(place, 'outbox.db'), 'http://127.0.0.1:9/')))
  // As PM2 does inside every process that it starts.
  const listening = join(place, 'listening.cjs')
  writeFileSync(listening, "process.on('message', () => undefined)")
  for (let n = 0; n < 3; n++) {
    const child = fork(join(root, 'dist', 'cli', 'main.js'), ['worker', '--config', file], { env: environment(), execArgv: ['--require', listening], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    t.after(() => child.kill('SIGKILL'))
    let err = ''
    child.stderr.on('data', (chunk) => (err += chunk))
    const ended = once(child, 'close')
    assert.equal((await once(child, 'message'))[0], 'ready')
    child.kill('SIGINT')
    assert.deepEqual(await ended, [0, null])
    assert.match(err, /worker: SIGINT[\s\S]*worker: ended\n$/)
  }
})

test('a wrong option is refused by name and arms nothing', () => {
  const before = process.listenerCount('SIGINT')
  for (const options of [{ timeoutMs: -1 }, { signals: ['SIGKILL'] }, { signals: 'SIGINT' }, { exit: 'yes' }, { first: true }, { timeout: 5 }, null]) {
    assert.throws(() => door.stopOnSignals(options), { code: 'ERR_OPTION' }, JSON.stringify(options))
  }
  assert.equal(process.listenerCount('SIGINT'), before)
})
