// The log: to a callback, to a file that is rotated, and never with anything of a message. Each case is a process of its own,
// because a process has one log.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, door, folder, open, reach, refused, root } from '../support/outbox.mjs'
import { startProgram } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

/** Runs a script that has the door as `door` and the configuration as `config`; resolves with its streams. */
async function run(t, settings, script, env = {}) {
  const head = `const door = require(${JSON.stringify(join(root, 'index.js'))}); const config = ${JSON.stringify(settings)};`
  const program = startProgram(t, ['-e', `${head} (async () => { ${script} })().catch((error) => { console.error(error); process.exitCode = 9 })`], { env })
  const { code } = await program.end()
  assert.equal(code, 0, program.err)
  return { out: program.out, err: program.err }
}

const lines = (text) => text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line))

/** Delivers one message that holds words to look for. */
const DELIVER = `
  const outbox = await door.Outbox.open(config)
  const { id } = await outbox.enqueueHl7(config.path && process.env.MESSAGE)
  while ((await outbox.getMessage(id)).status !== 'ACKNOWLEDGED') await new Promise((resolve) => setTimeout(resolve, 10))
  await outbox.close()`
/** Stores 1,500 messages at once. */
const MANY = `
  const { hl7 } = await import(${JSON.stringify(new URL('../support/messages.mjs', import.meta.url).href)})
  await outbox.enqueueHl7Batch(Array.from({ length: 1500 }, (_, n) => ({ message: hl7({ control: 'L' + n }) })))`
const MESSAGE = hl7({ patient: 'P-Secret', control: 'SECRET1', note: 'Invented-words' })

test('onLog hears every line as an object, instead of the standard error stream, also that of the close', async (t) => {
  const taker = await receiver(t)
  const settings = config(join(folder(t), 'outbox.db'), taker.url, {}, { log: { level: 'debug' } })
  const script = `config.log.onLog = (line) => console.log(JSON.stringify(line)); ${DELIVER}`
  const { out, err } = await run(t, settings, script, { MESSAGE })
  const heard = lines(out)
  assert.equal(err, '')
  assert.ok(heard.some(({ level, message }) => level === 'INFO' && message === 'this process dispatches now'), out)
  const attempt = heard.find(({ message }) => message === 'an attempt ended')
  assert.deepEqual([attempt.level, attempt.destination, attempt.outcome, attempt.target], ['DEBUG', 'malaffi', 'accepted', 'outbox_core::dispatch::driver'])
  assert.match(attempt.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  for (const secret of ['Secret', 'SECRET1', 'Invented']) assert.ok(!out.includes(secret))
})

test('a listener that does not keep up loses lines, and is told how many', async (t) => {
  const taker = await receiver(t)
  const settings = config(join(folder(t), 'outbox.db'), taker.url, { concurrency: 16, orderBy: null }, { log: { level: 'debug' } })
  const script = `
    const heard = []
    config.log.onLog = (line) => heard.push(line)
    const outbox = await door.Outbox.open(config)
    ${MANY}
    // The event loop stands still while the messages leave.
    const look = new URL('/received?after=1499&limit=1&waitMs=15000', config.destinations.malaffi.url)
    require('node:child_process').execFileSync(process.execPath, ['-e', \`fetch('\${look}').then((answer) => answer.text())\`])
    while ((await outbox.getStats()).byStatus.ACKNOWLEDGED < 1500) await new Promise((resolve) => setTimeout(resolve, 10))
    const metrics = await outbox.getMetrics()
    await outbox.close()
    const dropped = heard.reduce((sum, line) => sum + (line.dropped ?? 0), 0)
    console.log(JSON.stringify({ heard: heard.length, dropped, counted: Number(/hl7_outbox_log_dropped_lines_total (\\d+)/.exec(metrics)[1]) }))`
  const { out } = await run(t, settings, script)
  const { heard, dropped, counted } = JSON.parse(out)
  assert.ok(dropped > 0 && counted === dropped, out)
  assert.ok(heard + dropped >= 1_500, out)
})

test('a log file takes the lines, gets a number at its size, and only so many are kept', async (t) => {
  const taker = await receiver(t)
  const here = folder(t)
  const file = join(here, 'outbox.log')
  const settings = config(join(here, 'outbox.db'), taker.url, { concurrency: 16, orderBy: null }, { log: { level: 'debug', file, fileBytes: 65_536, files: 2 } })
  const script = `
    const outbox = await door.Outbox.open(config)
    ${MANY}
    while ((await outbox.getStats()).byStatus.ACKNOWLEDGED < 1500) await new Promise((resolve) => setTimeout(resolve, 10))
    await outbox.close()`
  const { err } = await run(t, settings, script)
  assert.equal(err, '')
  const names = readdirSync(here).filter((name) => /^outbox\.log(\.\d+)?$/.test(name)).sort()
  assert.deepEqual(names, ['outbox.log', 'outbox.log.1', 'outbox.log.2'])
  for (const name of names) {
    const text = readFileSync(join(here, name), 'utf8')
    assert.ok(text.length <= 65_536, `${name} has ${text.length} bytes`)
    assert.ok(lines(text).every(({ level }) => level.length > 0), 'every line is whole')
  }
})

test('level and file come from the environment', async (t) => {
  const taker = await receiver(t)
  const here = folder(t)
  const settings = config(join(here, 'outbox.db'), taker.url, {}, { log: {} })
  const env = { MESSAGE, HL7_OUTBOX_LOG: 'info', HL7_OUTBOX_LOG_FILE: join(here, 'o.log') }
  await run(t, settings, DELIVER, env)
  assert.ok(lines(readFileSync(join(here, 'o.log'), 'utf8')).some(({ message }) => message === 'this process dispatches now'))
})

test('a listener that is no function, and a file that cannot be written, are refused', async (t) => {
  const taker = await receiver(t)
  await refused(() => open(t, taker.url, {}, { log: { onLog: 7 } }), 'ERR_OPTION')
  const here = folder(t)
  const path = join(here, 'outbox.db')
  await refused(() => door.Outbox.open(config(path, taker.url, {}, { log: { file: join(here, 'missing', 'o.log') } })), 'ERR_CONFIG')
  assert.ok(!existsSync(path))
  const outbox = await open(t, taker.url, {}, { log: { level: 'error', onLog: () => assert.fail('no error is logged') } })
  const { id } = await outbox.enqueueHl7(hl7())
  await reach(outbox, id, 'ACKNOWLEDGED')
})
