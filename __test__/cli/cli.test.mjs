// The command line as a process: what it prints where, and the code it ends with.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, folder, open, reach, root, until } from '../support/outbox.mjs'
import { startApp, startProgram } from '../support/processes.mjs'
import { receiver, receiverProcess } from '../support/receiver.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')
const WHO = ['--actor', 'tester', '--reason', 'a test']

async function cli(t, args, options) {
  const program = startProgram(t, [MAIN, ...args], options)
  const { code } = await program.end()
  return { code, out: program.out, err: program.err }
}

/** A configuration file with one destination. */
function configFile(t, url, rest = {}) {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const file = join(here, 'settings.json')
  writeFileSync(file, JSON.stringify({ ...config(path, url), ...rest }))
  return { here, path, file }
}

test('status tells counts and dispatcher in words and as JSON, and ends with 0 when all is well and 3 when something needs a look', async (t) => {
  const taker = await receiver(t)
  const { path, file } = configFile(t, taker.url)
  const app = await startApp(t, config(path, taker.url))
  const { id } = await app.call('enqueueHl7', hl7())
  await until(await open(t, taker.url, {}, { path, dispatch: false }), async () => (await app.call('getMessage', id)).status === 'ACKNOWLEDGED')
  const well = await cli(t, ['status', '--config', file, '--json'])
  assert.deepEqual([well.code, well.err], [0, ''])
  const { health, stats } = JSON.parse(well.out)
  assert.deepEqual([health.status, health.dispatcher.pid, stats.byStatus.ACKNOWLEDGED], ['ok', app.pid, 1])
  const words = await cli(t, ['status', '--config', file])
  assert.match(words.out, new RegExp(`process ${app.pid} `))
  assert.match(words.out, /ACKNOWLEDGED 1/)
  await app.kill()
  const alone = await cli(t, ['status'], { env: { HL7_OUTBOX_CONFIG: file } })
  assert.equal(alone.code, 3)
  assert.match(alone.out, /no process dispatches/)
})

test('metrics prints the figures of the file and nothing else', async (t) => {
  const { path, file } = configFile(t, 'http://127.0.0.1:9/')
  const outbox = await open(t, 'http://127.0.0.1:9/', {}, { path })
  await outbox.enqueueHl7(hl7(), { hold: true })
  const { code, out, err } = await cli(t, ['metrics', '--config', file])
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^hl7_outbox_messages\{destination="malaffi",state="HELD"\} 1$/m)
  assert.ok(!out.includes('_total'))
  assert.equal((await cli(t, ['metrics', '--config', file, '--json'])).code, 2)
})

test('pause and resume reach an application that is running', async (t) => {
  const taker = await receiver(t)
  const { path, file } = configFile(t, taker.url)
  const outbox = await open(t, taker.url, {}, { path })
  const paused = await cli(t, ['pause', 'malaffi', '--config', file, ...WHO])
  assert.deepEqual([paused.code, paused.out, paused.err], [0, 'malaffi paused\n', ''])
  const { id } = await outbox.enqueueHl7(hl7())
  assert.equal((await outbox.getMessage(id)).waitingFor, 'paused')
  const seen = await cli(t, ['status', '--config', file])
  assert.equal(seen.code, 3)
  assert.match(seen.out, /malaffi +paused \(a test\)/)
  const resumed = await cli(t, ['resume', 'malaffi', '--path', path, '--json'])
  assert.deepEqual([resumed.code, JSON.parse(resumed.out)], [0, { destination: 'malaffi', resumed: true }])
  await reach(outbox, id, 'ACKNOWLEDGED')
})

test('retry sends dead letters again, by id or all of them, and says what it left', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 2 }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const { path, file } = configFile(t, taker.url)
  const outbox = await open(t, taker.url, {}, { path })
  const [one, two] = [await outbox.enqueueHl7(hl7({ patient: 'A' })), await outbox.enqueueHl7(hl7({ patient: 'B' }))]
  await count(outbox, 'FAILED', 2)
  const single = await cli(t, ['retry', one.id, '--config', file, '--json', ...WHO])
  assert.deepEqual([single.code, JSON.parse(single.out)], [0, { changed: [one.id], unchanged: [], count: 1 }])
  await reach(outbox, one.id, 'ACKNOWLEDGED')
  const left = await cli(t, ['retry', one.id, '--config', file])
  assert.equal(left.code, 1)
  assert.match(left.out, new RegExp(`left ${one.id} \\(ERR_STATE\\)`))
  const all = await cli(t, ['retry', '--all-failed', '--config', file])
  assert.deepEqual([all.code, all.out], [0, '1 to be sent again\n'])
  await reach(outbox, two.id, 'ACKNOWLEDGED')
})

test('a worker delivers what a process that only enqueues has stored, and SIGTERM ends it with 0', async (t) => {
  const taker = await receiver(t)
  const { path, file } = configFile(t, taker.url, { dispatch: false })
  const outbox = await open(t, taker.url, {}, { path, dispatch: false })
  const before = await outbox.enqueueHl7(hl7())
  const worker = startProgram(t, [MAIN, 'worker', '--config', file])
  await worker.line((line) => line.includes('ready'))
  await reach(outbox, before.id, 'ACKNOWLEDGED')
  const after = await outbox.enqueueHl7(hl7())
  await reach(outbox, after.id, 'ACKNOWLEDGED')
  assert.equal((await outbox.getHealth()).dispatcher.pid, worker.pid)
  worker.child.kill('SIGTERM')
  assert.deepEqual(await worker.end(), { code: 0, signal: null })
  assert.match(worker.err, /worker: ended/)
  await until(outbox, async () => (await outbox.getHealth()).dispatcher === null)
})

test('the receiver prints its addresses, takes a behaviour and a token, and ends with 0', async (t) => {
  const taker = await receiverProcess(t, { behaviour: { answer: 'ca' } })
  const outbox = await open(t, taker.url)
  const { id } = await outbox.enqueueHl7(hl7())
  await reach(outbox, id, 'SENT')
  taker.program.child.kill('SIGTERM')
  assert.deepEqual(await taker.program.end(), { code: 0, signal: null })
  const misfit = await cli(t, ['receiver', '--http', '127.0.0.1:0', '--behaviour', '{'])
  assert.equal(misfit.code, 2)
})

test('what is misspelt ends with 2, says so with a hint on the standard error stream, and does nothing', async (t) => {
  const { path, here } = configFile(t, 'http://127.0.0.1:9/')
  const wrong = [
    ['misspelt'], ['constructor'], ['status', '--misspelt'], ['status', 'word', '--path', path], ['status', '--all-failed'], ['retry', '--path', path], ['retry', 'x', '--all-failed', '--path', path], ['pause'], ['pause', 'a', 'b'],
    ['worker', '--stop-timeout-ms', 'soon'], ['receiver', '--tls-cert', 'x'], ['status', '--path'], ['status', '--config', join(here, 'missing.json')], ['status'],
    ['check'], ['check', join(here, 'missing.hl7')], ['check', here], ['check', '-', '--profile', 'nabidh'], ['check', '-', '--all-failed'],
  ]
  for (let n = 0; n < wrong.length; n += 4) {
    await Promise.all(wrong.slice(n, n + 4).map(async (args) => {
      const { code, out, err } = await cli(t, args, { cwd: here })
      assert.deepEqual([code, out], [2, ''], args.join(' '))
      assert.match(err, /^error: .+\nhint: .+\n$/, args.join(' '))
    }))
  }
  assert.deepEqual(readdirSync(here), ['settings.json'])
})

test('looking at a file that does not exist, or that is no outbox, creates and changes nothing', async (t) => {
  const here = folder(t)
  const missing = join(here, 'missing.db')
  assert.equal((await cli(t, ['status', '--path', missing])).code, 2)
  assert.equal(existsSync(missing), false)
  const text = join(here, 'text.db')
  writeFileSync(text, 'an invented note\n')
  const { code, err } = await cli(t, ['status', '--path', text])
  assert.equal(code, 1)
  assert.match(err, /^error: .+\(ERR_NOT_AN_OUTBOX\)\nhint: .+\n$/)
  assert.deepEqual(readdirSync(here), ['text.db'])
})

test('a configuration that is not JSON, or is wrong, is an error with a hint and not a stack', async (t) => {
  const { path, file } = configFile(t, 'http://127.0.0.1:9/')
  await open(t, undefined, {}, { path, dispatch: false })
  for (const text of ['{', '[]', '{"misspelt":1}', 'null']) {
    writeFileSync(file, text)
    const { code, out, err } = await cli(t, ['status', '--config', file, '--path', path])
    assert.ok(code === 1 || code === 2, `${text}: ${code}`)
    assert.equal(out, '')
    assert.match(err, /^error: .+\nhint: .+\n$/, text)
  }
})

test('help and version are data on the standard output', async (t) => {
  const help = await cli(t, ['--help'])
  assert.deepEqual([help.code, help.err], [0, ''])
  for (const command of ['status', 'doctor', 'retry', 'pause', 'resume', 'backup', 'restore', 'export', 'worker', 'check', 'receiver']) assert.match(help.out, new RegExp(`^  ${command}`, 'm'))
  assert.match((await cli(t, ['--version'])).out, /^\d+\.\d+\.\d+\n$/)
})

test('the command line never becomes the dispatcher', async (t) => {
  const taker = await receiver(t)
  const { path, file } = configFile(t, taker.url)
  const outbox = await open(t, taker.url, {}, { path, dispatch: false })
  await outbox.enqueueHl7(hl7())
  for (const args of [['status'], ['retry', '--all-pending'], ['pause', 'malaffi'], ['resume', 'malaffi']]) await cli(t, [...args, '--config', file])
  assert.deepEqual([(await outbox.getHealth()).dispatcher, (await taker.received()).length], [null, 0])
  assert.equal((await outbox.getStats()).byStatus.PENDING, 1)
  assert.equal(by.actor, 'tester')
})
