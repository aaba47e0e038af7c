// The acceptance program, written against the public contract alone: two processes, two thousand messages, a receiver that
// is killed twice, and nothing lost, reordered, altered or sent twice without a mark.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { count, folder, open, root } from '../support/outbox.mjs'
import { startApp, startProgram } from '../support/processes.mjs'

const PATIENTS = 200
const EACH = 10
const TOTAL = PATIENTS * EACH
const TYPES = ['ADT^A04', 'ADT^A08', 'ORU^R01']
const TOKEN = 'not-a-real-token'

/** The tenth patients are served by both processes in turn, the others by one of them. */
const shared = (patient) => patient % 10 === 0

function messageOf(patient, n) {
  const control = `ACC${String(patient).padStart(3, '0')}N${String(n).padStart(2, '0')}`
  const type = n === 0 ? 'ADT^A04' : TYPES[1 + ((patient + n) % 2)]
  return { control, patient, text: hl7({ control, type, patient: `PAT-${patient}`, bytes: 1_500 + ((patient * 7 + n) % 200), arabic: patient % 3 === 0 }) }
}

async function startRecorder(t, record, port) {
  const program = startProgram(t, [join(root, '__test__', 'support', 'recorder.mjs'), record, String(port)])
  program.port = Number((await program.line((line) => line.startsWith('port '))).slice(5))
  return program
}

const recordOf = (path) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .map(({ url, headers, body }) => ({ url, headers, bytes: Buffer.from(body, 'base64') }))

test('two thousand messages of two processes reach a receiver that is killed twice: all, in order, unaltered, twice only with a mark', async (t) => {
  const here = folder(t)
  const [path, record] = [join(here, 'outbox.db'), join(here, 'record.jsonl')]
  let recorder = await startRecorder(t, record, 0)
  const url = `http://127.0.0.1:${recorder.port}/receive`
  const destination = { url, auth: { bearer: TOKEN }, concurrency: 8, retry: { scheduleMs: [50], jitter: 0 } }
  const config = { path, destinations: { malaffi: destination }, log: { level: 'error' } }
  const apps = await Promise.all([startApp(t, config), startApp(t, config)])

  const messages = new Map()
  const results = []
  const enqueue = (app, message) => {
    messages.set(message.control, message)
    const done = app.call('enqueueHl7', message.text, { tags: { patient: String(message.patient) } })
    results.push(done)
    return done
  }
  const inTurn = async (patient) => {
    for (let n = 0; n < EACH; n++) await enqueue(apps[n % 2], messageOf(patient, n))
  }
  const turns = Array.from({ length: PATIENTS }, (_, patient) => patient).filter(shared).map(inTurn)
  for (let n = 0; n < EACH; n++) {
    for (let patient = 0; patient < PATIENTS; patient++) {
      // Not awaited: the order of the calls is what counts.
      if (!shared(patient)) enqueue(apps[patient % 2], messageOf(patient, n))
    }
  }
  for (const kill of [1, 2]) {
    await recorder.line((line) => line === `taken ${kill * 300}`)
    await recorder.kill()
    recorder = await startRecorder(t, record, recorder.port)
  }
  await Promise.all(turns)
  const enqueued = await Promise.all(results)
  assert.equal(new Set(enqueued.map(({ id }) => id)).size, TOTAL)
  assert.ok(enqueued.every(({ duplicate }) => !duplicate))

  const reader = await open(t, url, {}, { path, dispatch: false })
  await count(reader, 'ACKNOWLEDGED', TOTAL)
  const stored = new Map()
  for (let cursor; cursor !== null; ) {
    const page = await reader.listMessages({ limit: 1_000, order: 'oldest', ...(cursor === undefined ? {} : { cursor }) })
    for (const message of page.items) stored.set(message.controlId, message)
    cursor = page.nextCursor
  }
  assert.equal(stored.size, TOTAL)

  const arrivals = recordOf(record)
  const times = new Map()
  const lanes = new Map()
  for (const { url: requested, headers, bytes } of arrivals) {
    const control = bytes.toString('latin1').split('\r')[0].split('|')[9]
    const message = messages.get(control)
    assert.ok(bytes.equals(Buffer.from(message.text)), `${control} arrived altered`)
    assert.equal(requested, '/receive')
    assert.equal(headers['content-type'], 'application/hl7-v2')
    assert.equal(headers.authorization, `Bearer ${TOKEN}`)
    assert.equal(headers['x-message-control-id'], control)
    assert.equal(headers['content-length'], String(bytes.length))
    if (!times.has(control)) lanes.set(message.patient, [...(lanes.get(message.patient) ?? []), control])
    times.set(control, (times.get(control) ?? 0) + 1)
  }
  assert.equal(times.size, TOTAL, 'every message arrived')
  for (let patient = 0; patient < PATIENTS; patient++) {
    assert.deepEqual(lanes.get(patient), Array.from({ length: EACH }, (_, n) => messageOf(patient, n).control))
  }
  for (const [control, arrived] of times) {
    if (arrived > 1) assert.equal(stored.get(control).possibleDuplicate, true, `${control} arrived ${arrived} times without a mark`)
  }
  // At most what was in flight at each of the two kills.
  assert.ok(arrivals.length <= TOTAL + 2 * destination.concurrency, `${arrivals.length - TOTAL} duplicates`)
  assert.deepEqual(await Promise.all(apps.map((app) => app.leave())), [{ code: 0, signal: null }, { code: 0, signal: null }])
})
