// Beginning and end: starting once, lazily, from the environment or a file; stopping; limits; and files that are none.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, door, folder, open, openPaused, reach, refused, root, until } from '../support/outbox.mjs'
import { runScript, startApp } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const text = (value) => JSON.stringify(value)
const codeOf = `const codeOf = (promise) => promise.then(() => 'accepted', (error) => error.code);`

test('starting is idempotent with the same configuration and refused with another, and only a start ends a stop', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/', {}, { dispatch: false })
  const { out, err, code } = await runScript(t, `${codeOf}
    const settings = ${text(settings)}
    await Promise.all([outbox.startOutbox(settings), outbox.startOutbox(settings), outbox.startOutbox()])
    const said = [await codeOf(outbox.startOutbox({ ...settings, limits: { messageBytes: 5000 } }))]
    const { id } = await outbox.enqueueHl7(${text(hl7())})
    said.push(await codeOf(outbox.stopOutbox({ timeoutMs: 'soon' })), (await outbox.getMessage(id)).status)
    said.push((await outbox.stopOutbox()).drained, await codeOf(outbox.enqueueHl7(${text(hl7())})), await codeOf(outbox.getStats()), (await outbox.stopOutbox()).drained)
    await outbox.startOutbox({ ...settings, limits: { messageBytes: 5000 } })
    said.push((await outbox.getMessage(id)).id === id)
    console.log(JSON.stringify(said))`)
  assert.deepEqual([code, err], [0, ''])
  assert.deepEqual(JSON.parse(out), ['ERR_ALREADY_STARTED', 'ERR_OPTION', 'PENDING', true, 'ERR_STOPPED', 'ERR_STOPPED', true, true])
})

test('after a start that failed, calls try the same configuration again, and never another file', async (t) => {
  const here = folder(t)
  const path = join(here, 'later', 'outbox.db')
  const { out, err, code } = await runScript(t, `${codeOf}
    const settings = ${text(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false }))}
    const said = [await codeOf(outbox.startOutbox(settings)), await codeOf(outbox.enqueueHl7(${text(hl7())}))]
    // A call has begun to try again when another configuration is started.
    const calling = codeOf(outbox.getStats())
    said.push(await codeOf(outbox.startOutbox({ ...settings, path: ${text(join(here, 'missing', 'other.db'))} })), await calling)
    said.push(await codeOf(outbox.startOutbox(settings)))
    ;(await import('node:fs')).mkdirSync(${text(join(here, 'later'))})
    said.push(await codeOf(outbox.enqueueHl7(${text(hl7())})), (await outbox.getHealth()).file.path === ${text(path)}, await codeOf(outbox.startOutbox(settings)))
    console.log(JSON.stringify(said))`, { cwd: here, env: { MALAFFI_API_URL: 'http://127.0.0.1:9/' } })
  assert.deepEqual([code, err], [0, ''])
  const missing = 'ERR_PATH_DIRECTORY'
  assert.deepEqual(JSON.parse(out), [missing, missing, missing, missing, missing, 'accepted', true, 'accepted'])
  assert.deepEqual(readdirSync(here), ['later'])
})

test('the first call starts from the environment, and its secret reaches the receiver', async (t) => {
  const taker = await receiver(t, {}, { bearer: 'not-a-real-token' })
  const path = join(folder(t), 'outbox.db')
  const app = await startApp(t, undefined, { env: { HL7_OUTBOX_PATH: path, MALAFFI_API_URL: taker.url, MALAFFI_API_KEY: 'not-a-real-token' } })
  const { id, destination } = await app.call('enqueueHl7', hl7())
  assert.equal(destination, 'malaffi')
  await taker.until(1)
  const outbox = await open(t, taker.url, {}, { path, dispatch: false })
  await reach(outbox, id, 'ACKNOWLEDGED')
})

test('HL7_OUTBOX_DISPATCH=off only stores', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const app = await startApp(t, undefined, { env: { HL7_OUTBOX_PATH: path, MALAFFI_API_URL: 'http://127.0.0.1:9/', HL7_OUTBOX_DISPATCH: 'off' } })
  await app.call('enqueueHl7', hl7())
  assert.equal((await app.call('getHealth')).dispatcher, null)
})

test('a configuration file is read from the working directory or from where the environment says', async (t) => {
  const here = folder(t)
  const settings = config(join(here, 'named.db'), 'http://127.0.0.1:9/', {}, { dispatch: false })
  writeFileSync(join(here, 'hl7-outbox.config.json'), text(settings))
  const path = `console.log((await outbox.getHealth()).file.path)`
  assert.equal((await runScript(t, path, { cwd: here })).out.trim(), join(here, 'named.db'))
  assert.equal((await runScript(t, path, { env: { HL7_OUTBOX_CONFIG: join(here, 'hl7-outbox.config.json') } })).out.trim(), join(here, 'named.db'))
  for (const [content, wanted] of [['{', 'ERR_CONFIG'], ['{"misspelt":1}', 'ERR_CONFIG']]) {
    writeFileSync(join(here, 'hl7-outbox.config.json'), content)
    assert.match((await runScript(t, `${codeOf} console.log(await codeOf(outbox.getStats()))`, { cwd: here })).out, new RegExp(`^${wanted}`))
  }
  const missing = { env: { HL7_OUTBOX_CONFIG: join(here, 'missing.json') } }
  assert.equal((await runScript(t, `${codeOf} console.log(await codeOf(outbox.getStats()))`, missing)).out, 'ERR_CONFIG_FILE\n')
})

test('calls that nobody awaited keep their order through a lazy start: before, while and after it', async (t) => {
  const path = join(folder(t), 'outbox.db')
  const messages = Array.from({ length: 60 }, (_, n) => hl7({ control: `LAZY${String(n).padStart(2, '0')}` }))
  const { out, err } = await runScript(t, `const messages = ${text(messages)}
    const calls = messages.slice(0, 20).map((message) => outbox.enqueueHl7(message))
    const started = outbox.startOutbox()
    for (const message of messages.slice(20, 30)) calls.push(outbox.enqueueHl7(message))
    for (const message of messages.slice(30, 40)) { await null; calls.push(outbox.enqueueHl7(message)) }
    await started
    for (const message of messages.slice(40)) calls.push(outbox.enqueueHl7(message))
    await Promise.all(calls)
    console.log(JSON.stringify((await outbox.listMessages({ order: 'oldest', limit: 100 })).items.map(({ controlId }) => controlId)))`, { env: { HL7_OUTBOX_PATH: path, MALAFFI_API_URL: 'http://127.0.0.1:9/', HL7_OUTBOX_DISPATCH: 'off' } })
  assert.equal(err, '')
  assert.deepEqual(JSON.parse(out), messages.map((_, n) => `LAZY${String(n).padStart(2, '0')}`))
})

test('a start that fails rejects every call with its reason, and the next call tries again', async (t) => {
  const here = folder(t)
  const path = join(here, 'later', 'outbox.db')
  const { out } = await runScript(t, `${codeOf} import { mkdirSync } from 'node:fs'
    const said = await Promise.all([codeOf(outbox.enqueueHl7(${text(hl7())})), codeOf(outbox.getStats())])
    mkdirSync(${text(join(here, 'later'))})
    said.push(await codeOf(outbox.getStats()))
    console.log(JSON.stringify(said))`, { env: { HL7_OUTBOX_PATH: path } })
  assert.deepEqual(JSON.parse(out), ['ERR_PATH_DIRECTORY', 'ERR_PATH_DIRECTORY', 'accepted'])
})

test('after a start that failed, calls go to the file that it named, never to another', async (t) => {
  const cwd = folder(t)
  const path = join(cwd, 'later', 'outbox.db')
  const { out, err, code } = await runScript(t, `${codeOf}
    import { mkdirSync } from 'node:fs'
    const settings = ${text(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false }))}
    const said = [await codeOf(outbox.startOutbox(settings)), await codeOf(outbox.enqueueHl7(${text(hl7())}))]
    mkdirSync(${text(join(cwd, 'later'))})
    said.push(await codeOf(outbox.enqueueHl7(${text(hl7())})), await codeOf(outbox.startOutbox(settings)), (await outbox.getHealth()).file.path)
    console.log(JSON.stringify(said))`, { cwd })
  assert.deepEqual([code, err], [0, ''])
  assert.deepEqual(JSON.parse(out), ['ERR_PATH_DIRECTORY', 'ERR_PATH_DIRECTORY', 'accepted', 'accepted', path])
  assert.deepEqual(readdirSync(cwd), ['later'])
})

test('importing opens no file and starts no thread, and nothing starts during next build', async (t) => {
  const here = folder(t)
  const { out } = await runScript(t, `${codeOf} import { readdirSync } from 'node:fs'
    const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0)
    const before = threads()
    outbox.onStatusChange(() => {})()
    console.log(JSON.stringify([threads() - before, await codeOf(outbox.enqueueHl7('x')), await codeOf(outbox.startOutbox({})), await codeOf(outbox.Outbox.open({}))]))`, { cwd: here, env: { NEXT_PHASE: 'phase-production-build' } })
  assert.deepEqual(JSON.parse(out), [0, 'ERR_BUILD_PHASE', 'ERR_BUILD_PHASE', 'ERR_BUILD_PHASE'])
  assert.deepEqual(readdirSync(here), [])
})

test('both doors are one outbox', async (t) => {
  const settings = config(join(folder(t), 'outbox.db'), 'http://127.0.0.1:9/', {}, { dispatch: false })
  const { out } = await runScript(t, `import { createRequire } from 'node:module'
    await outbox.startOutbox(${text(settings)})
    const { id } = await outbox.enqueueHl7(${text(hl7())})
    console.log((await createRequire(${text(join(root, 'x.js'))})('./index.js').getMessage(id)).id === id)`)
  assert.equal(out, 'true\n')
})

test('a stop waits for attempts in flight and says whether they ended; the next opener delivers the rest', async (t) => {
  const taker = await receiver(t, { latency: 250 })
  const settings = config(join(folder(t), 'outbox.db'), taker.url, { concurrency: 1 })
  const first = await door.Outbox.open(settings)
  const [one, two] = [await first.enqueueHl7(hl7({ control: 'STOP1' })), await first.enqueueHl7(hl7({ control: 'STOP2' }))]
  await taker.until(1)
  assert.deepEqual(await first.close(), { drained: true })
  await refused(() => first.enqueueHl7(hl7()), 'ERR_STOPPED')
  await refused(() => first.getMessage(one.id), 'ERR_STOPPED')
  assert.deepEqual(await first.close(), { drained: true })
  const second = await door.Outbox.open(settings)
  assert.equal((await second.getMessage(one.id)).status, 'ACKNOWLEDGED')
  await taker.until(2)
  assert.deepEqual(await second.close({ timeoutMs: 0 }), { drained: false })
  const third = await door.Outbox.open(settings)
  t.after(() => third.close({ timeoutMs: 0 }))
  assert.equal((await reach(third, two.id, 'ACKNOWLEDGED')).possibleDuplicate, true)
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['STOP1', 'STOP2', 'STOP2'])
})

test('while a stop waits for an attempt in flight, messages are still taken', async (t) => {
  const taker = await receiver(t, { latency: 400 })
  const path = join(folder(t), 'outbox.db')
  const outbox = await door.Outbox.open(config(path, taker.url))
  const first = await outbox.enqueueHl7(hl7())
  await until(outbox, async () => (await outbox.getMessage(first.id)).inFlight)
  const closing = outbox.close({ timeoutMs: 5_000 })
  const late = await outbox.enqueueHl7(hl7())
  assert.deepEqual(await closing, { drained: true })
  await refused(() => outbox.enqueueHl7(hl7()), 'ERR_STOPPED')
  const next = await open(t, taker.url, {}, { path, dispatch: false })
  assert.equal((await next.getMessage(first.id)).status, 'ACKNOWLEDGED')
  assert.equal((await next.getMessage(late.id)).status, 'PENDING')
})

test('every enqueue before a close is settled, and stored if it resolved', async (t) => {
  const settings = config(join(folder(t), 'outbox.db'), 'http://127.0.0.1:9/', {}, { dispatch: false })
  const outbox = await door.Outbox.open(settings)
  const calls = Array.from({ length: 200 }, () => outbox.enqueueHl7(hl7()))
  await outbox.close()
  const resolved = (await Promise.allSettled(calls)).flatMap(({ value, reason }) => (reason === undefined ? [value.id] : (assert.equal(reason.code, 'ERR_STOPPED'), [])))
  const again = await open(t, undefined, {}, settings)
  const { items } = await again.listMessages({ limit: 1_000 })
  assert.deepEqual(items.map(({ id }) => id).toSorted(), resolved.toSorted())
})

test('limits refuse with a code of their own, and room that is free again is used again', async (t) => {
  const outbox = await openPaused(t, undefined, {}, { limits: { messageBytes: 2_000, pendingMessages: 3, intakeBytes: 4_000 } })
  await refused(() => outbox.enqueueHl7(hl7({ bytes: 2_001 })), 'ERR_HL7_TOO_LARGE')
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => outbox.enqueueHl7(hl7({ bytes: 1_500 }))))
  const codes = results.map(({ reason }) => reason?.code ?? 'stored')
  assert.ok(codes.includes('ERR_INTAKE_FULL') && codes.includes('stored'), codes.join())
  const stored = []
  await until(outbox, async () => {
    try {
      stored.push((await outbox.enqueueHl7(hl7())).id)
      return null
    } catch (error) {
      assert.equal(error.code, 'ERR_QUEUE_FULL')
      return true
    }
  })
  assert.equal((await outbox.getStats()).byStatus.PENDING, 3)
  await outbox.cancelMessages({ ids: [stored[0] ?? results.find(({ value }) => value !== undefined).value.id] }, by)
  await outbox.enqueueHl7(hl7())
})

test('a wrong processing id is refused at enqueue', async (t) => {
  const outbox = await openPaused(t, undefined, { processingIds: ['P'] })
  const error = await refused(() => outbox.enqueueHl7(hl7()), 'ERR_PROCESSING_ID')
  assert.deepEqual([error.segment, error.field], ['MSH', 11])
  await outbox.enqueueHl7(hl7({ msh: { 11: 'P' } }))
})

test('a path that cannot be is refused with its own code, and what stands there is not touched', async (t) => {
  const here = folder(t)
  const note = join(here, 'note.txt')
  writeFileSync(note, 'an invented note\n')
  const foreign = join(here, 'foreign.db')
  const header = Buffer.alloc(4_096)
  header.write('SQLite format 3\0')
  header.writeUInt16BE(4_096, 16)
  writeFileSync(foreign, header)
  mkdirSync(join(here, 'directory'))
  const bad = [[note, 'ERR_NOT_AN_OUTBOX'], [foreign, 'ERR_NOT_AN_OUTBOX'], [join(here, 'directory'), 'ERR_NOT_AN_OUTBOX'], [join(here, 'missing', 'o.db'), 'ERR_PATH_DIRECTORY'], [join(note, 'o.db'), 'ERR_PATH_DIRECTORY']]
  for (const [path, code] of bad) await refused(() => door.Outbox.open({ path, destinations: {} }), code, path)
  assert.equal(readFileSync(note, 'utf8'), 'an invented note\n')
  assert.ok(readFileSync(foreign).equals(header))
  assert.deepEqual(readdirSync(here).toSorted(), ['directory', 'foreign.db', 'note.txt'])
  const relative = await runScript(t, `${codeOf} console.log(await codeOf(outbox.startOutbox({ path: 'o.db' })), await codeOf(outbox.startOutbox()))`, { cwd: here, env: { NODE_ENV: 'production' } })
  assert.equal(relative.out, 'ERR_PATH_RELATIVE ERR_PATH_RELATIVE\n')
  assert.equal(existsSync(join(here, 'o.db')), false)
})

/** An outbox file that no process has open, with some messages in it, all in the main file. */
async function closedFile(t) {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/', {}, { dispatch: false })
  const outbox = await door.Outbox.open(settings)
  await outbox.enqueueHl7Batch(Array.from({ length: 50 }, () => ({ message: hl7({ bytes: 1_500 }) })))
  await outbox.close()
  while (existsSync(`${path}-wal`)) await (await door.Outbox.open(settings)).close()
  return path
}

test('a clean close folds the log into the file, a hundred times of a hundred', async (t) => {
  const path = join(folder(t), 'outbox.db')
  let left = 0
  for (let round = 0; round < 100; round++) {
    const outbox = await door.Outbox.open(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false }))
    await outbox.enqueueHl7(hl7())
    await outbox.close()
    if (existsSync(`${path}-wal`)) left++
  }
  assert.equal(left, 0, 'who copies the file after a clean stop must have every message')
})

test('a file of a newer schema is refused and not changed', async (t) => {
  const path = await closedFile(t)
  const bytes = readFileSync(path)
  assert.equal(bytes.readUInt32BE(60), 3)
  bytes.writeUInt32BE(99, 60)
  // The row that says who may share the file: key, then the version as a text blob of one byte.
  const at = bytes.indexOf('schema_needed') + 'schema_needed'.length
  assert.equal(bytes.toString('latin1', at, at + 1), '1')
  bytes.write('9', at)
  writeFileSync(path, bytes)
  await refused(() => door.Outbox.open({ path, destinations: {} }), 'ERR_SCHEMA_NEWER')
  assert.ok(readFileSync(path).equals(bytes))
})

test('a newer schema that still allows this version is opened', async (t) => {
  const path = await closedFile(t)
  const bytes = readFileSync(path)
  const newer = bytes.readUInt32BE(60) + 1
  bytes.writeUInt32BE(newer, 60)
  writeFileSync(path, bytes)
  const outbox = await door.Outbox.open({ path, destinations: {}, dispatch: false })
  assert.equal((await outbox.getHealth()).file.schema, newer)
  await outbox.close()
})

test('a truncated file is an error with a code, never an empty outbox', async (t) => {
  const path = await closedFile(t)
  truncateSync(path, 8_192)
  const result = await door.Outbox.open(config(path, 'http://127.0.0.1:9/', {}, { dispatch: false })).then(
    async (outbox) => {
      const stats = await outbox.getStats().catch((error) => error)
      const stored = await outbox.enqueueHl7(hl7()).catch((error) => error)
      await outbox.close()
      return stored instanceof Error ? stored : stats
    },
    (error) => error,
  )
  assert.ok(result instanceof door.Hl7OutboxError, JSON.stringify(result))
  assert.equal(result.code, 'ERR_FILE_DAMAGED')
})
