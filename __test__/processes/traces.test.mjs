// Spans in the application's own OpenTelemetry SDK: whoever stores makes one, and so does every attempt, in whichever process it is made.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, beforeEach, test } from 'node:test'
import { pathToFileURL } from 'node:url'

import { context, SpanKind, SpanStatusCode, trace, TraceFlags } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, flying, folder, open, openPaused, reach, refused, root, until } from '../support/outbox.mjs'
import { runScript, startApp, startProgram } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'
import { shown, spansOf } from '../support/spans.mjs'

const TRACED = join(root, '__test__', 'support', 'traced.mjs')
const WORKER = join(root, 'dist', 'cli', 'main.js')
const CANARIES = ['CANARY-NAME', 'CANARY-CONTROL', 'CANARY-PATIENT', 'CANARY-TAG', 'CANARY-ANSWER', 'CANARY-KEY']
const exporter = new InMemorySpanExporter()
/** A fault of the SDK, while it is set. */
let fault = null
const faulty = {
  onStart: () => fault?.('start'),
  onEnd: () => fault?.('end'),
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
}
let tracer

before(() => {
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter), faulty] }).register()
  tracer = trace.getTracer('the application')
})
beforeEach(() => {
  exporter.reset()
  fault = null
})

const spans = () => exporter.getFinishedSpans().map(shown).filter(({ scope }) => scope === 'hl7-outbox')
const enqueues = () => spans().filter(({ kind }) => kind === SpanKind.PRODUCER)
const attempts = () => spans().filter(({ kind }) => kind === SpanKind.CLIENT)
/** Resolves with so many spans of attempts: they come a moment after the change of status. */
const delivered = (outbox, number) => until(outbox, () => attempts().length >= number && attempts(), `${number} spans of attempts`)

/** Calls inside a span of the application; resolves with that span's context and the result. */
function inRequest(call) {
  return tracer.startActiveSpan('POST /api/visits', async (span) => {
    try {
      return { request: span.spanContext(), result: await call() }
    } finally {
      span.end()
    }
  })
}

test('the span of an enqueue is the active one’s child, and each attempt is its child, with times and outcome', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const message = hl7()
  const { request, result } = await inRequest(() => outbox.enqueueHl7(message, { tags: { visitId: '7' } }))
  await reach(outbox, result.id, 'ACKNOWLEDGED')
  const [attempt] = await delivered(outbox, 1)
  const [enqueue] = enqueues()
  assert.deepEqual([enqueue.name, enqueue.traceId, enqueue.parent], ['enqueue malaffi', request.traceId, request.spanId])
  assert.deepEqual(enqueue.attributes, {
    'messaging.system': 'hl7_outbox',
    'messaging.operation.name': 'enqueue',
    'messaging.operation.type': 'send',
    'messaging.message.body.size': Buffer.byteLength(message),
    'messaging.message.id': result.id,
    'messaging.destination.name': 'malaffi',
  })
  assert.equal(enqueue.status.code, SpanStatusCode.UNSET)
  assert.deepEqual([attempt.name, attempt.traceId, attempt.parent], ['deliver malaffi', request.traceId, enqueue.spanId])
  const [stored] = await outbox.getAttempts(result.id)
  assert.deepEqual([attempt.startMs, attempt.endMs], [Date.parse(stored.startedAt), Date.parse(stored.endedAt)])
  assert.deepEqual(attempt.attributes, {
    'messaging.system': 'hl7_outbox',
    'messaging.operation.name': 'deliver',
    'messaging.destination.name': 'malaffi',
    'messaging.message.id': result.id,
    'hl7_outbox.attempt.bytes_sent': stored.bytesSent,
    'hl7_outbox.attempt.number': 1,
    'hl7_outbox.attempt.counted': true,
    'hl7_outbox.attempt.manual': false,
    'hl7_outbox.attempt.outcome': 'accepted',
    'hl7_outbox.attempt.row': stored.row,
    'hl7_outbox.ack_code': 'AA',
    'http.response.status_code': 200,
  })
  assert.equal(attempt.status.code, SpanStatusCode.UNSET)
  const { tags } = await outbox.getMessage(result.id)
  assert.deepEqual(tags, { visitId: '7', traceparent: `00-${request.traceId}-${enqueue.spanId}-01` })
})

test('an attempt that comes to nothing is an error by its code, and the next one is a span of its own', async (t) => {
  const taker = await receiver(t, { rules: [{ when: { first: 1 }, answer: { type: 'status', status: 500 } }] })
  const outbox = await open(t, taker.url)
  const { id } = await outbox.enqueueHl7(hl7())
  await reach(outbox, id, 'ACKNOWLEDGED')
  const [first, second] = await delivered(outbox, 2)
  assert.deepEqual([first.attributes['hl7_outbox.attempt.number'], second.attributes['hl7_outbox.attempt.number']], [1, 2])
  assert.deepEqual([first.status, first.attributes['error.type']], [{ code: SpanStatusCode.ERROR }, 'HTTP_500'])
  assert.deepEqual([second.status.code, second.attributes['error.type']], [SpanStatusCode.UNSET, undefined])
  assert.equal(first.parent, second.parent)
})

test('nothing of a patient, no control id and nothing that the receiver says is in a span', async (t) => {
  const [name, control, patient, tag, answer, key] = CANARIES
  const taker = await receiver(t, { answer: { type: 'ae', text: `${answer} for ${name}`, errors: [{ code: '103', text: answer, userMessage: answer, applicationCode: answer }] } })
  const outbox = await open(t, taker.url, { auth: { bearer: key } })
  const { id } = await outbox.enqueueHl7(hl7({ control, patient, note: name }), { tags: { note: tag }, orderingKey: patient })
  await reach(outbox, id, 'FAILED')
  await outbox.enqueueHl7(hl7({ control, patient, note: 'another content' })).catch(() => undefined)
  await outbox.enqueueHl7(`MSH|^~\\&|${name}`).catch(() => undefined)
  await delivered(outbox, 1)
  const [stored, conflict, unreadable] = enqueues()
  assert.equal(stored.status.code, SpanStatusCode.UNSET)
  assert.deepEqual([conflict.status, conflict.attributes['error.type']], [{ code: SpanStatusCode.ERROR }, 'ERR_CONTROL_ID_CONFLICT'])
  assert.match(unreadable.attributes['error.type'], /^ERR_HL7_/)
  const all = JSON.stringify(exporter.getFinishedSpans().map((span) => [shown(span), span.events, span.links]))
  for (const canary of CANARIES) assert.ok(!all.includes(canary), canary)
})

test('another process delivers in the trace of the one that stored, and its end flushes its spans', async (t) => {
  const taker = await receiver(t)
  const [outbox, path] = await storing(t, taker)
  const { request, result } = await inRequest(() => outbox.enqueueHl7(hl7()))
  const worker = startProgram(t, [WORKER, 'worker', '--config', path], { env: { NODE_OPTIONS: `--import=${pathToFileURL(TRACED)}` } })
  await reach(outbox, result.id, 'ACKNOWLEDGED')
  worker.child.kill('SIGTERM')
  assert.equal((await worker.end()).code, 0, worker.err)
  const [attempt, ...rest] = spansOf(worker)
  assert.deepEqual([rest.length, attempt.name, attempt.traceId, attempt.parent], [0, 'deliver malaffi', request.traceId, enqueues()[0].spanId])
  assert.equal(attempt.attributes['hl7_outbox.attempt.outcome'], 'accepted')
  assert.deepEqual(attempts(), [], 'only who delivers tells of it')
})

test('an attempt whose process died is told by the one that takes over, from its own beginning on', async (t) => {
  const taker = await receiver(t, { answer: 'silent' })
  const path = join(folder(t), 'outbox.db')
  const dying = await startApp(t, config(path, taker.url))
  const { id } = await dying.call('enqueueHl7', hl7())
  const outbox = await door.Outbox.open(config(path, taker.url))
  t.after(() => outbox.close({ timeoutMs: 0 }))
  await flying(outbox, id)
  await taker.until(1)
  await taker.behave({})
  await dying.kill()
  await reach(outbox, id, 'ACKNOWLEDGED')
  const [lost, made] = await delivered(outbox, 2)
  const [first] = await outbox.getAttempts(id)
  assert.deepEqual([lost.attributes['hl7_outbox.attempt.row'], lost.attributes['error.type']], ['taken-over', 'TAKEN_OVER'])
  assert.deepEqual([lost.startMs, lost.endMs], [Date.parse(first.startedAt), Date.parse(first.endedAt)])
  assert.equal(made.attributes['hl7_outbox.attempt.outcome'], 'accepted')
  // The one that stored it had no SDK, so nobody began a trace.
  assert.deepEqual([lost.parent, made.parent], [null, null])
})

test('of two outboxes on one file each attempt is told once, and by the other when the first is closed', async (t) => {
  const taker = await receiver(t)
  const path = join(folder(t), 'outbox.db')
  const [first, second] = [await door.Outbox.open(config(path, taker.url)), await door.Outbox.open(config(path, taker.url))]
  t.after(() => second.close({ timeoutMs: 0 }))
  for (const outbox of [first, second]) {
    const { id } = await outbox.enqueueHl7(hl7())
    await reach(second, id, 'ACKNOWLEDGED')
    await delivered(second, 1)
    assert.deepEqual(attempts().map(({ attributes }) => attributes['messaging.message.id']), [id])
    exporter.reset()
    if (outbox === first) await first.close()
  }
})

test('a batch is one span, a call for several receivers too, and all their messages are its children', async (t) => {
  const taker = await receiver(t)
  const both = { malaffi: { url: taker.url }, archive: { url: taker.url } }
  const outbox = await open(t, taker.url, {}, { destinations: both, defaultDestination: 'malaffi' })
  await outbox.enqueueHl7Batch([{ message: hl7() }, { message: hl7(), options: { tags: { a: '1' } } }])
  await outbox.enqueueHl7(hl7(), { destinations: ['malaffi', 'archive'] })
  await count(outbox, 'ACKNOWLEDGED', 4)
  await delivered(outbox, 4)
  const [batch, several] = enqueues()
  assert.deepEqual([batch.name, batch.attributes['messaging.batch.message_count']], ['enqueue malaffi', 2])
  assert.deepEqual([several.name, several.attributes['messaging.batch.message_count']], ['enqueue', 2])
  const children = (of) => attempts().filter(({ parent }) => parent === of.spanId).map(({ name }) => name).sort()
  assert.deepEqual(children(batch), ['deliver malaffi', 'deliver malaffi'])
  assert.deepEqual(children(several), ['deliver archive', 'deliver malaffi'])
})

test('a trace leaves room for eight tags, one that the caller gives wins, and a correction stays in it', async (t) => {
  const outbox = await openPaused(t, undefined)
  const eight = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`tag${n}`, `${n}`]))
  const full = await outbox.enqueueHl7(hl7(), { tags: eight })
  assert.deepEqual(Object.keys((await outbox.getMessage(full.id)).tags), [...Object.keys(eight), 'traceparent'])
  await refused(() => outbox.enqueueHl7(hl7(), { tags: { ...eight, ninth: '9' } }), 'ERR_OPTION')
  const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const own = await outbox.enqueueHl7(hl7(), { tags: { traceparent: given }, hold: true })
  assert.equal((await outbox.getMessage(own.id)).tags.traceparent, given)
  for (const none of ['', 'CANARY', `${given}-more`, null]) {
    const kept = await outbox.enqueueHl7(hl7(), { tags: { traceparent: none, visitId: '7' }, hold: true })
    const { tags } = await outbox.getMessage(kept.id)
    assert.deepEqual([tags.visitId, tags.traceparent === none], ['7', false], 'what is no trace context refuses no message')
  }
  const { id } = await outbox.replaceMessage(own.id, hl7(), by)
  assert.equal((await outbox.getMessage(id)).tags.traceparent, given)
})

test('where many messages are listed a trace is left out; where one is shown it stands', async (t) => {
  const outbox = await openPaused(t)
  const { id } = await outbox.enqueueHl7(hl7(), { tags: { visitId: '7' } })
  const { traceparent } = (await outbox.getMessage(id)).tags
  const { path } = (await outbox.getHealth()).file
  const said = async (...args) => {
    const program = startProgram(t, [WORKER, ...args, '--path', path], { env: { COLUMNS: '300' } })
    assert.equal((await program.end()).code, 0, program.err)
    return program.out
  }
  for (const args of [['list'], ['tail', '--limit', '1']]) {
    const out = await said(...args)
    assert.ok(out.includes('visitId=7') && !out.includes('traceparent'), out)
  }
  assert.ok((await said('show', id)).includes(`traceparent=${traceparent}`))
})

test('what is not sampled is not sampled later either', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  const unsampled = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.NONE, isRemote: true }
  const { id } = await context.with(trace.setSpanContext(context.active(), unsampled), () => outbox.enqueueHl7(hl7()))
  assert.match((await outbox.getMessage(id)).tags.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00$/)
  await reach(outbox, id, 'ACKNOWLEDGED')
  // A sampled one behind it, and what was told of the first has been told.
  const second = await outbox.enqueueHl7(hl7())
  await reach(outbox, second.id, 'ACKNOWLEDGED')
  const [attempt] = await delivered(outbox, 1)
  assert.deepEqual([attempts().length, attempt.attributes['messaging.message.id']], [1, second.id])
})

test('an SDK that throws costs a span, never a message', async (t) => {
  const taker = await receiver(t)
  const outbox = await open(t, taker.url)
  for (const where of ['start', 'end']) {
    let calls = 0
    fault = (at) => {
      if (at !== where) return
      calls++
      throw new Error('a fault of the SDK')
    }
    const { id } = await outbox.enqueueHl7(hl7())
    await reach(outbox, id, 'ACKNOWLEDGED')
    await until(outbox, () => calls >= 2, `two faults at the ${where}`)
  }
})

test('without an SDK nothing is made and nothing is stored; one that is registered late is used from then on', async (t) => {
  const taker = await receiver(t)
  const path = join(folder(t), 'outbox.db')
  const sdk = JSON.stringify(pathToFileURL(TRACED).href)
  const { code, err } = await runScript(
    t,
    `const alive = setInterval(() => undefined, 60_000)
     const box = await outbox.Outbox.open(${JSON.stringify(config(path, taker.url))})
     const acknowledged = (id) => new Promise((resolve) => { const end = box.onStatusChange((change) => change.id === id && change.to === 'ACKNOWLEDGED' && resolve(end())) })
     const send = async (message) => { const { id } = await box.enqueueHl7(message, { tags: { n: '1' }, notBefore: new Date(Date.now() + 200) }); await acknowledged(id); return box.getMessage(id) }
     const first = await send(${JSON.stringify(hl7())})
     await import(${sdk})
     const second = await send(${JSON.stringify(hl7())})
     console.error('first ' + JSON.stringify(first.tags))
     console.error('second ' + Object.keys(second.tags))
     await box.close()
     const { trace } = await import(${JSON.stringify(pathToFileURL(join(root, 'node_modules/@opentelemetry/api/build/src/index.js')).href)})
     await trace.getTracerProvider().getDelegate().forceFlush()
     clearInterval(alive)`,
    { cwd: root },
  )
  assert.equal(code, 0, err)
  const lines = err.split('\n')
  assert.ok(lines.includes('first {"n":"1"}'), err)
  assert.ok(lines.includes('second n,traceparent'), err)
  const told = lines.filter((line) => line.startsWith('span ')).map((line) => JSON.parse(line.slice(5)))
  assert.deepEqual(told.map(({ name }) => name), ['enqueue malaffi', 'deliver malaffi'])
})

/** An outbox that stores and does not deliver, and the configuration file of a worker that does. */
async function storing(t, taker) {
  const directory = folder(t)
  const given = config(join(directory, 'outbox.db'), taker.url)
  const path = join(directory, 'hl7-outbox.config.json')
  writeFileSync(path, JSON.stringify(given))
  const outbox = await door.Outbox.open({ ...given, dispatch: false })
  t.after(() => outbox.close({ timeoutMs: 0 }))
  return [outbox, path]
}
