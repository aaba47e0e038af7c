// What enqueue refuses: each bad message with its code and place, each wrong type with a rejected promise, and never a crash.
import assert from 'node:assert/strict'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, door, folder, open, openPaused, refused } from '../support/outbox.mjs'

/** Things that are not what anybody asked for. */
function oddities() {
  const cyclic = {}
  cyclic.self = cyclic
  const detached = new Uint8Array(8)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const angry = new Proxy({}, { get: () => { throw new Error('a trap') }, ownKeys: () => { throw new Error('a trap') }, getPrototypeOf: () => { throw new Error('a trap') } })
  const getter = { get path() { throw new Error('a getter') }, get message() { throw new Error('a getter') }, get actor() { throw new Error('a getter') }, get controlId() { throw new Error('a getter') } }
  const odd = { undefined, null: null, number: 1, NaN, infinite: Infinity, negative: -1, bigint: 10n, boolean: true, symbol: Symbol('odd'), function: () => 1, array: [], nested: [[[]]], object: {}, cyclic, angry, getter, date: new Date(NaN), regexp: /x/, map: new Map(), text: 'odd', long: 'x'.repeat(100_000), lone: '\ud800', empty: '', nul: '\u0000', detached, promise: Promise.resolve(1) }
  return Object.entries(odd)
}

test('every bad message is refused with its code, its segment and its field, and without a word of its content', async (t) => {
  const outbox = await openPaused(t, undefined, {}, { limits: { messageBytes: 3_000 } })
  const SECRET = 'Zzyx'
  const good = hl7({ bytes: 100 })
  const latin = (text) => Buffer.from(text, 'latin1')
  const bad = [
    ['', 'ERR_HL7_EMPTY'],
    ['\r\r', 'ERR_HL7_EMPTY'],
    [`PID|1||${SECRET}\r${good}`, 'ERR_HL7_NOT_MSH'],
    [`{"name":"${SECRET}"}`, 'ERR_HL7_NOT_MSH'],
    [`FHS|^~\\&|X\r${good}`, 'ERR_HL7_BATCH'],
    [`BHS|^~\\&|X\r${good}`, 'ERR_HL7_BATCH'],
    [`${good}${hl7()}`, 'ERR_HL7_SEVERAL_MESSAGES'],
    [good.replace(SECRET, '\u0000'), 'ERR_HL7_NUL', 'PID'],
    [Buffer.from(good, 'utf16le'), 'ERR_HL7_'],
    [`\u000b${good}\u001c\r`, 'ERR_HL7_FRAMING_BYTE'],
    [good.replace(SECRET, `${SECRET}\u001c`), 'ERR_HL7_FRAMING_BYTE', 'PID'],
    [good.replace('|^~\\&|', '|^^\\&|'), 'ERR_HL7_DELIMITERS', 'MSH'],
    [good.replace('\rEVN', `\r${SECRET}`), 'ERR_HL7_SEGMENT_NAME'],
    [hl7({ msh: { 9: '' } }), 'ERR_HL7_MISSING_MESSAGE_TYPE', 'MSH', 9],
    [hl7({ msh: { 10: '' } }), 'ERR_HL7_MISSING_CONTROL_ID', 'MSH', 10],
    [hl7({ msh: { 12: '' } }), 'ERR_HL7_MISSING_VERSION', 'MSH', 12],
    [hl7({ msh: { 12: 'not a version!' } }), 'ERR_HL7_HEADER_VALUE', 'MSH', 12],
    [hl7({ msh: { 10: 'X'.repeat(200) } }), 'ERR_HL7_CONTROL_ID_LENGTH', 'MSH', 10],
    [hl7({ msh: { 10: 'ID\u00e9' } }), 'ERR_HL7_CONTROL_ID_CHARACTERS', 'MSH', 10],
    [hl7({ msh: { 18: 'EBCDIC' } }), 'ERR_HL7_CHARSET_UNKNOWN', 'MSH', 18],
    [latin(hl7({ note: 'caf\u00e9' })), 'ERR_HL7_CHARSET_INVALID', 'NTE'],
    [hl7({ msh: { 18: '8859/1' }, note: 'caf\u00e9' }), 'ERR_HL7_CHARSET_TEXT'],
    [hl7({ bytes: 3_100 }), 'ERR_HL7_TOO_LARGE'],
  ]
  for (const [n, [message, code, segment, field]] of bad.entries()) {
    const what = `case ${n} (${code})`
    const error = await refused(() => outbox.enqueueHl7(message), code.endsWith('_') ? undefined : code, what)
    assert.ok(error.code.startsWith(code), what)
    if (segment !== undefined) assert.equal(error.segment, segment, what)
    if (field !== undefined) assert.equal(error.field, field, what)
    assert.ok(Number.isInteger(error.position), what)
    assert.ok(typeof error.hint === 'string' && error.hint.length > 10, what)
    assert.ok(!JSON.stringify([error.message, error.hint, error.stack]).includes(SECRET), what)
  }
  assert.equal((await outbox.listMessages()).items.length, 0)
  await outbox.enqueueHl7(hl7({ msh: { 10: 'Y'.repeat(199) } }))
})

test('a batch is stored as a whole or not at all, and the error says which message is bad', async (t) => {
  const outbox = await openPaused(t)
  const [one, three] = [hl7(), hl7()]
  const error = await refused(() => outbox.enqueueHl7Batch([{ message: one }, { message: hl7({ msh: { 9: '' } }) }, { message: three }]), 'ERR_HL7_MISSING_MESSAGE_TYPE')
  assert.match(error.message, /message 2 of the batch/)
  const conflict = await refused(() => outbox.enqueueHl7Batch([{ message: one }, { message: hl7({ control: 'SAME' }) }, { message: hl7({ control: 'SAME', note: 'other' }) }]), 'ERR_CONTROL_ID_CONFLICT')
  assert.equal(conflict.field, 10)
  assert.equal((await outbox.listMessages()).items.length, 0)
  const stored = await outbox.enqueueHl7Batch([{ message: one, options: { tags: { n: '1' } } }, { message: Buffer.from(three) }, { message: one }])
  assert.deepEqual(stored.map(({ duplicate }) => duplicate), [false, false, true])
  assert.equal(stored[0].id, stored[2].id)
  assert.deepEqual(await outbox.enqueueHl7Batch([]), [])
  await refused(() => outbox.enqueueHl7Batch(Array(10_001).fill({ message: one })), 'ERR_OPTION')
})

test('a conflict inside a batch says which message it is', async (t) => {
  const outbox = await openPaused(t)
  await outbox.enqueueHl7(hl7({ control: 'TAKEN' }))
  const error = await refused(() => outbox.enqueueHl7Batch([{ message: hl7() }, { message: hl7({ control: 'TAKEN', note: 'other' }) }]), 'ERR_CONTROL_ID_CONFLICT')
  assert.match(error.message, /message 2 of the batch/)
})

test('the same bytes again give the first id and the present status; other bytes under the same control id are refused', async (t) => {
  const outbox = await openPaused(t)
  const text = hl7({ control: 'DUP' })
  const [first, again] = await Promise.all([outbox.enqueueHl7(text, { tags: { n: '1' } }), outbox.enqueueHl7(Buffer.from(text), { tags: { n: '2' } })])
  assert.deepEqual(again, { ...first, duplicate: true })
  assert.deepEqual((await outbox.getMessage(first.id)).tags, { n: '1' })
  await outbox.cancelMessages({ ids: [first.id] }, by)
  assert.deepEqual(await outbox.enqueueHl7(text), { ...first, status: 'CANCELLED', duplicate: true })
  const error = await refused(() => outbox.enqueueHl7(hl7({ control: 'DUP', note: 'other bytes' })), 'ERR_CONTROL_ID_CONFLICT')
  assert.deepEqual([error.segment, error.field], ['MSH', 10])
})

test('several destinations are one row each in one commit, all or none', async (t) => {
  const url = 'http://127.0.0.1:9/'
  const outbox = await door.Outbox.open({ path: `${folder(t)}/o.db`, dispatch: false, destinations: { a: { url }, b: { url }, test: { url, processingIds: ['T'] }, live: { url, processingIds: ['P'] } } })
  t.after(() => outbox.close())
  const stored = await outbox.enqueueHl7(hl7({ control: 'BOTH' }), { destinations: ['b', 'a'] })
  assert.deepEqual(stored.deliveries.map(({ destination }) => destination), ['b', 'a'])
  assert.equal(new Set(stored.deliveries.map(({ id }) => id)).size, 2)
  assert.equal((await outbox.getMessage({ controlId: 'BOTH', destination: 'a' })).id, stored.deliveries[1].id)
  await refused(() => outbox.enqueueHl7(hl7(), { destinations: ['a', 'misspelt'] }), 'ERR_UNKNOWN_DESTINATION')
  const error = await refused(() => outbox.enqueueHl7(hl7(), { destinations: ['test', 'live'] }), 'ERR_PROCESSING_ID')
  assert.deepEqual([error.segment, error.field], ['MSH', 11])
  await refused(() => outbox.enqueueHl7(hl7()), 'ERR_DESTINATION_REQUIRED')
  await refused(() => outbox.enqueueHl7(hl7(), { destination: 'a', destinations: ['b'] }), 'ERR_OPTION')
  for (const destinations of [[], ['a', 'a'], ['a', 1], 'a', Array(17).fill('a')]) await refused(() => outbox.enqueueHl7(hl7(), { destinations }), 'ERR_OPTION')
  assert.equal((await outbox.listMessages()).items.length, 2)
  await outbox.enqueueHl7(hl7(), { destination: 'test' })
  await outbox.enqueueHl7(hl7({ msh: { 11: 'P' } }), { destination: 'live' })
})

test('options that are unknown, wrong or too large are refused, and nothing is stored', async (t) => {
  const outbox = await openPaused(t)
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`k${n}`, 'v']))
  const wrong = [
    { orderingkey: 'x' }, { held: true }, { hold: 1 }, { hold: null }, { priority: 'high' }, { priority: null }, { expiresInMs: 0 }, { expiresInMs: -1 }, { expiresInMs: 1.5 }, { expiresInMs: '1' }, null, [], 'options', 1, { destination: 1 }, { destination: null }, { orderingKey: 1 }, { orderingKey: '' }, { orderingKey: 'x'.repeat(1_025) },
    { tags: [] }, { tags: 'x' }, { tags: many }, { tags: { ['k'.repeat(33)]: 'v' } }, { tags: { '': 'v' } }, { tags: { k: 'v'.repeat(129) } }, { tags: { k: 1 } }, { tags: { k: null } },
    { notBefore: 'tomorrow' }, { notBefore: 1 }, { notBefore: new Date(NaN) }, { notBefore: '2030-13-01T00:00:00Z' }, { maxAttempts: 0 }, { maxAttempts: -1 }, { maxAttempts: 1.5 }, { maxAttempts: '3' }, { maxAttempts: 2 ** 40 },
  ]
  for (const options of wrong) await refused(() => outbox.enqueueHl7(hl7(), options), 'ERR_OPTION', JSON.stringify(options)?.slice(0, 60))
  await refused(() => outbox.enqueueHl7(hl7(), { destination: 'misspelt' }), 'ERR_UNKNOWN_DESTINATION')
  assert.equal((await outbox.listMessages()).items.length, 0)
  const tags = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`${n}`.padEnd(32, 'ك'), 'ق'.repeat(128)]))
  const { id } = await outbox.enqueueHl7(hl7(), { tags, notBefore: undefined, orderingKey: 'x'.repeat(1_024), maxAttempts: 1 })
  assert.deepEqual((await outbox.getMessage(id)).tags, tags)
})

test('whatever is passed as whatever argument, the answer is a rejected promise with a code', async (t) => {
  const outbox = await open(t, undefined, {}, { dispatch: false })
  const good = hl7()
  const calls = {
    enqueueHl7: (odd) => outbox.enqueueHl7(odd),
    enqueueHl7Batch: (odd) => outbox.enqueueHl7Batch([odd]),
    message: (odd) => outbox.enqueueHl7Batch([{ message: odd }]),
    getMessage: (odd) => outbox.getMessage(odd),
    controlId: (odd) => outbox.getMessage({ controlId: odd }),
    getMessageContent: (odd) => outbox.getMessageContent(odd),
    getAttempts: (odd) => outbox.getAttempts(odd),
    getAnswer: (odd) => outbox.getAnswer(odd, 1),
    pauseDestination: (odd) => outbox.pauseDestination(odd, by),
    resumeDestination: (odd) => outbox.resumeDestination(odd, by),
    open: (odd) => (odd === undefined ? Promise.reject(new door.Hl7OutboxError('ERR_CONFIG', 'would open the default')) : door.Outbox.open(odd)),
  }
  const fine = new Set(['controlId text', 'controlId long', 'controlId empty', 'controlId nul', 'controlId lone'])
  for (const [name, odd] of oddities()) {
    for (const [function_, call] of Object.entries(calls)) {
      const what = `${function_} ${name}`
      // An empty object opens the default file; so does whatever else has no keys.
      if (function_ === 'open' && ['object', 'map', 'regexp', 'date', 'promise', 'detached'].includes(name)) continue
      if (fine.has(what)) assert.equal(await call(odd), null, what)
      else await refused(() => call(odd), undefined, what)
    }
  }
  for (const [name, odd] of oddities()) {
    const settled = await Promise.allSettled([
      outbox.enqueueHl7(good, odd), outbox.enqueueHl7(good, { tags: odd }), outbox.enqueueHl7(good, { destinations: odd }), outbox.enqueueHl7Batch(odd), outbox.listMessages(odd), outbox.listMessages({ status: odd, tags: odd, ids: odd }),
      outbox.getStats(odd), outbox.retryMessages(odd, by), outbox.cancelMessages({ ids: ['x'] }, odd), outbox.getAnswer('x', odd, odd), outbox.getMessageContent('x', odd),
    ])
    for (const { status, reason } of settled) if (status === 'rejected') assert.ok(reason instanceof door.Hl7OutboxError, `${name}: ${String(reason)}`)
  }
  assert.ok((await outbox.listMessages()).items.length <= 1)
})

test('bytes of every kind of memory are copied or refused, and never read after the call', async (t) => {
  const outbox = await openPaused(t)
  const bytes = Buffer.from(hl7({ control: 'SHARED' }))
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
  shared.set(bytes)
  const result = await outbox.enqueueHl7(shared).catch((error) => error)
  shared.fill(0)
  if (result instanceof Error) assert.equal(result.code, 'ERR_OPTION')
  else assert.ok(Buffer.from(await outbox.getMessageContent(result.id)).equals(bytes))
  const detached = new Uint8Array(Buffer.from(hl7()))
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  await refused(() => outbox.enqueueHl7(detached), 'ERR_HL7_EMPTY')
  for (const other of [new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), new Uint16Array(8), new Uint8ClampedArray(8)]) await refused(() => outbox.enqueueHl7(other), 'ERR_OPTION')
  await refused(() => outbox.enqueueHl7(`${hl7()}\udc00`), 'ERR_OPTION')
})

test('a configuration with an unknown key, a wrong value or plain http beyond loopback is refused by name', async (t) => {
  const path = `${folder(t)}/never.db`
  const one = (destination) => ({ path, destinations: { d: { url: 'http://127.0.0.1:9/', ...destination } } })
  const wrong = [
    [{ path, misspelt: 1 }, 'misspelt'], [{ path, retention: { bodiesMs: 0 } }, 'bodiesMs'], [{ path, limits: { walBytes: 1 } }, 'walBytes'], [one({ retyr: {} }), 'retyr'], [one({ url: 'http://hl7.example/' }), 'url'], [one({ url: 'ftp://x/' }), 'url'],
    [one({ url: 'https://user:word@x.example/' }), 'url'], [one({ concurrency: 0 }), 'concurrency'], [one({ rateLimit: { perSecond: 0 } }), 'perSecond'], [one({ retry: { scheduleMs: [] } }), 'scheduleMs'],
    [one({ retry: { jitter: 0.5 } }), 'jitter'], [one({ timeouts: { totalMs: 0 } }), 'totalMs'], [one({ auth: { bearer: 'env:NOT_SET_ANYWHERE' } }), 'NOT_SET_ANYWHERE'], [one({ tls: { certFile: 'x' } }), 'tls'],
    [one({ outcomes: { 'no-such-row': 'retry' } }), 'outcomes'], [one({ orderBy: 'nonsense' }), 'orderBy'], [{ path, limits: { messageBytes: 0 } }, 'messageBytes'], [{ path, defaultDestination: 'none' }, 'defaultDestination'],
    [{ path, log: { level: 'loud' } }, 'log.level'], [{ path: 1 }, 'path'], [{ path, dispatch: 'off' }, 'dispatch'], [{ path, destinations: [] }, 'destinations'], [{ path, limits: { messageBytes: 10n } }, 'messageBytes'],
  ]
  for (const [config, name] of wrong) {
    const error = await refused(() => door.Outbox.open(config), 'ERR_CONFIG', name)
    assert.ok(error.message.includes(name), `${name}: ${error.message}`)
  }
})
