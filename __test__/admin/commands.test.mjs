// Commands from the page: forged ones, bad ones, two at once; and looking into messages.
import assert from 'node:assert/strict'
import test from 'node:test'

import { controlId, hl7 } from '../support/messages.mjs'
import { by, count, open, openPaused, reach } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'
import { desk, seen } from './desk.mjs'

const REFUSING = { answer: { type: 'ae', errors: [{ code: '103', location: 'PV1^1^7' }] } }

test('a command that is forged in any way is refused, and changes nothing', async (t) => {
  const outbox = await openPaused(t)
  const { id } = await outbox.enqueueHl7(hl7())
  const message = await outbox.getMessage(id)
  const { browser } = desk(outbox)
  const body = { command: 'cancel', messages: seen(message), reason: 'r' }
  const forged = [
    { 'origin': 'https://evil.example' }, { 'origin': undefined }, { 'origin': 'null' }, { 'origin': 'https://clinic.example.evil.example' },
    { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' },
    { 'x-hl7-outbox-token': undefined }, { 'x-hl7-outbox-token': '' }, { 'x-hl7-outbox-token': 'A'.repeat(43) },
    { cookie: undefined }, { cookie: 'hl7-outbox-admin-token=' }, { 'cookie': 'hl7-outbox-admin-token=x', 'x-hl7-outbox-token': 'x' },
  ]
  for (const headers of forged) {
    const answer = await browser().post('api/command', body, headers)
    assert.deepEqual([answer.status, answer.body.error.code], [403, 'FORGED'], JSON.stringify(headers))
  }
  // What a form can send without asking: three types of content, none of which is ours.
  for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
    assert.equal((await browser().post('api/command', body, { 'content-type': type })).status, 415)
  }
  assert.deepEqual(await outbox.getMessage(id), message)
  assert.equal((await browser().post('api/command', body)).body.count, 1)
})

test('only the origins that the host names may command, if it names any; a proxy may say what host it stands for', async (t) => {
  const outbox = await openPaused(t)
  const body = { command: 'pause', destination: 'malaffi', reason: 'r' }
  const named = desk(outbox, { origins: ['https://other.example'] })
  assert.equal((await named.browser().post('api/destination', body)).status, 403)
  assert.equal((await named.browser().post('api/destination', body, { origin: 'https://other.example' })).status, 200)
  const proxied = { 'host': '127.0.0.1:3000', 'x-forwarded-host': 'public.example', 'origin': 'https://public.example' }
  assert.equal((await desk(outbox).browser().post('api/destination', body, proxied)).status, 200)
})

test('bad input is told and changes nothing', async (t) => {
  const outbox = await openPaused(t)
  const { id } = await outbox.enqueueHl7(hl7())
  const message = await outbox.getMessage(id)
  const browser = desk(outbox).browser()
  const good = { command: 'cancel', messages: seen(message), reason: 'r' }
  const bad = [
    'no JSON', '[]', 'null', '"text"', '', Uint8Array.of(0x7b, 0xff, 0x7d),
    { ...good, command: 'constructor' }, { ...good, command: '__proto__' }, { ...good, command: 7 },
    { ...good, reason: '' }, { ...good, reason: '   ' }, { ...good, reason: undefined }, { ...good, reason: 'x'.repeat(501) },
    { ...good, messages: [] }, { ...good, messages: 'all' }, { ...good, messages: [null] }, { ...good, messages: [{ id }] }, { ...good, messages: Array(1_001).fill({ id, updatedAt: 'x' }) },
    { ...good, messages: undefined, filter: {} }, { ...good, messages: undefined, filter: { to: '2999-01-01T00:00:00Z' } }, { ...good, messages: undefined, filter: [] }, { ...good, messages: undefined },
    { ...good, messages: undefined, filter: { unknown: 1 } }, { ...good, messages: undefined, filter: { status: 'LOST' } }, { ...good, messages: undefined, filter: { tags: 'x' } },
    { ...good, messages: undefined, filter: { status: 'PENDING', from: 'yesterday' } },
  ]
  for (const body of bad) {
    const answer = await browser.post('api/command', body)
    assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${JSON.stringify(body)}`)
    assert.equal(typeof answer.body.error.code, 'string')
  }
  assert.equal((await browser.post('api/command', `{"reason":"${'x'.repeat(5 << 20)}"}`)).status, 413)
  for (const query of [{ status: 'LOST' }, { from: 'yesterday' }, { cursor: '-1' }, { destination: '\0' }, { 'tag.': 'x' }]) {
    const answer = await browser.get('api/messages', query)
    assert.ok(answer.status < 500, JSON.stringify(query))
  }
  assert.deepEqual(await outbox.getMessage(id), message)
})

test('two operators press retry at once: one changes it, the other is told, and it is sent once more and not twice', async (t) => {
  const shown = await receiver(t, REFUSING)
  const outbox = await open(t, shown.url)
  const ids = await Promise.all(Array.from({ length: 8 }, async (_, n) => (await outbox.enqueueHl7(hl7({ patient: `P-${n}` }))).id))
  await count(outbox, 'FAILED', ids.length)
  await shown.behave({})
  const failed = await Promise.all(ids.map((id) => outbox.getMessage(id)))
  const { browser } = desk(outbox)
  // Two handlers besides: as in two processes, which share no turn.
  const both = [browser(), desk(outbox).browser({ actor: 'second', may: ['view', 'retry'] })]
  await Promise.all(both.map((each) => each.signIn()))
  const answers = await Promise.all(both.map((each) => each.post('api/command', { command: 'retry', messages: seen(...failed), reason: 'receiver mended' })))
  await count(outbox, 'ACKNOWLEDGED', ids.length)
  for (const { status, body } of answers) {
    assert.equal(status, 200)
    assert.equal(body.changed.length + body.unchanged.length, ids.length)
  }
  const late = await both[1].post('api/command', { command: 'retry', messages: seen(...failed), reason: 'again' })
  assert.deepEqual([late.body.count, new Set(late.body.unchanged.map(({ code }) => code))], [0, new Set(['CHANGED_MEANWHILE'])])
  const perMessage = Map.groupBy?.(await shown.received(), ({ controlId: each }) => each) ?? null
  for (const items of perMessage?.values() ?? []) assert.equal(items.length, 2, 'once refused, once accepted')
})

test('two operators press resend at once: the message leaves once more', async (t) => {
  const shown = await receiver(t)
  const outbox = await open(t, shown.url)
  const { id } = await outbox.enqueueHl7(hl7())
  const delivered = await reach(outbox, id, 'ACKNOWLEDGED')
  const { browser } = desk(outbox)
  const both = [browser(), browser()]
  await Promise.all(both.map((each) => each.signIn()))
  const answers = await Promise.all(both.map((each) => each.post('api/command', { command: 'resend', messages: seen(delivered), reason: 'asked for' })))
  assert.deepEqual(answers.map(({ body }) => body.count).sort(), [0, 1])
  await reach(outbox, id, 'ACKNOWLEDGED')
  assert.equal((await shown.received()).length, 2)
})

test('everything that matches means those of the moment at which the list was shown', async (t) => {
  const outbox = await openPaused(t)
  const before = await outbox.enqueueHl7(hl7())
  const browser = desk(outbox).browser()
  const { body: { now } } = await browser.get('api/messages', { status: 'PENDING' })
  await new Promise((resolve) => setTimeout(resolve, 5)) // The clock of the file has to go on by a millisecond.
  const after = await outbox.enqueueHl7(hl7({ patient: 'P-2' }))
  const { body } = await browser.post('api/command', { command: 'hold', filter: { status: ['PENDING'], to: now }, reason: 'r' })
  assert.deepEqual([body.changed, body.next], [[before.id], null])
  assert.equal((await outbox.getMessage(after.id)).status, 'PENDING')
})

test('all of very many are changed in parts, and new messages are stored in between', async (t) => {
  const outbox = await openPaused(t)
  const many = 8_000
  await outbox.enqueueHl7Batch(Array.from({ length: many }, (_, n) => ({ message: hl7({ patient: `P-${n}` }) })))
  const browser = desk(outbox).browser()
  const { body: { now } } = await browser.get('api/messages')
  let [changed, parts, next] = [0, 0, undefined]
  do {
    const [{ body }, stored] = await Promise.all([
      browser.post('api/command', { command: 'hold', filter: { destination: 'malaffi', to: now }, reason: 'r', ...(next === undefined ? {} : { cursor: next }) }),
      outbox.enqueueHl7(hl7()),
    ])
    assert.equal(stored.duplicate, false)
    changed += body.count
    parts++
    next = body.next
    assert.ok(body.changed.length <= 1_000)
  } while (next !== null)
  assert.equal(changed, many)
  const { byStatus } = await outbox.getStats()
  assert.deepEqual([byStatus.HELD, byStatus.PENDING], [many, parts])
})

test('hold, release, pause and resume work, and a refused message is corrected and replaced', async (t) => {
  const shown = await receiver(t, REFUSING)
  const outbox = await open(t, shown.url)
  const browser = desk(outbox).browser()
  const failed = await outbox.enqueueHl7(hl7())
  const message = await reach(outbox, failed.id, 'FAILED')
  const { body: { groups } } = await browser.get('api/refusals')
  assert.deepEqual(groups[0].errCodes, ['103'])
  assert.deepEqual([groups.length, groups[0].count, groups[0].perDay.at(-1), groups[0].reason], [1, 1, 1, 'rejected'])

  await shown.behave({})
  const control = controlId()
  const corrected = hl7({ control }).replaceAll('\r', '\n')
  assert.deepEqual((await browser.post('api/check', { text: 'rubbish' })).body.findings.map(({ severity }) => severity)[0], 'error')
  const stale = await browser.post('api/replace', { id: failed.id, text: corrected, updatedAt: 'long ago', reason: 'r' })
  assert.deepEqual([stale.status, stale.body.error.code], [409, 'CHANGED_MEANWHILE'])
  const done = await browser.post('api/replace', { id: failed.id, text: corrected, updatedAt: message.updatedAt, reason: 'wrong id' })
  assert.equal(done.body.controlId, control)
  await reach(outbox, done.body.id, 'ACKNOWLEDGED')
  assert.equal((await outbox.getMessage(failed.id)).status, 'CANCELLED')
  assert.deepEqual((await browser.get('api/refusals')).body.groups, [])

  await browser.post('api/destination', { command: 'pause', destination: 'malaffi', reason: 'maintenance' })
  assert.equal((await browser.get('api/overview')).body.health.destinations.malaffi.state, 'paused')
  const { id } = await outbox.enqueueHl7(hl7())
  const one = async (command) => (await browser.post('api/command', { command, messages: seen(await outbox.getMessage(id)), reason: 'r' })).body
  assert.equal((await one('hold')).count, 1)
  assert.deepEqual((await one('hold')).unchanged, [{ id, code: 'ERR_STATE' }])
  assert.equal((await one('release')).count, 1)
  await browser.post('api/destination', { command: 'resume', destination: 'malaffi', reason: 'over' })
  await reach(outbox, id, 'ACKNOWLEDGED')
})

test('a message is shown as text in parts, whatever stands in it, and each look is recorded and counted', async (t) => {
  const outbox = await openPaused(t)
  const script = '<script>alert(1)</script>'
  const text = hl7({ note: script, arabic: true })
  // No UTF-8: the letter alef by itself, in the set that the message names.
  const odd = Buffer.concat([Buffer.from(hl7({ msh: { 18: '8859/6' } })), Buffer.from('NTE|5||'), Buffer.of(0xc7), Buffer.from('\r')])
  const big = hl7({ bytes: 3 << 20 })
  const [one, two, three] = await Promise.all([text, odd, big].map((each) => outbox.enqueueHl7(each)))
  const browser = desk(outbox, { revealsPerMinute: 5 }).browser()
  const look = async ({ id }) => (await browser.post('api/reveal', { id, reason: 'asked by the doctor' })).body

  const plain = await look(one)
  assert.equal(plain.text, text.replace(/\r$/, ''))
  assert.deepEqual(plain.segments[0].fields.slice(0, 2), [{ n: 1, text: '|' }, { n: 2, text: '^~\\&' }])
  assert.equal(plain.segments.find(({ name }) => name === 'NTE').fields.find(({ n }) => n === 3).text, script)
  const invalid = await look(two)
  assert.deepEqual([invalid.utf8, invalid.text, invalid.segments.at(-1).fields.at(-1).text], [false, null, '\u0627'])
  const cut = await look(three)
  assert.ok(JSON.stringify(cut).length < 20_000)
  assert.ok(cut.segments.at(-1).fields.at(-1).characters > 3_000_000)
  assert.equal(cut.text, null)

  for (const attempt of [0, 1.5, '1', null]) assert.equal((await browser.post('api/reveal', { id: one.id, attempt })).status, 400)
  assert.equal((await browser.post('api/reveal', { id: one.id, attempt: 1 })).body.error.code, 'NO_ANSWER')
  await look(one)
  const tooMany = await browser.post('api/reveal', { id: one.id })
  assert.deepEqual([tooMany.status, tooMany.body.error.code], [429, 'TOO_MANY_LOOKS'])
  assert.ok(Number(tooMany.headers.get('retry-after')) > 0)
  assert.equal((await browser.get('api/messages')).status, 200, 'everything else goes on')
})

test('a part of a control id is found in steps, and a whole one at once', async (t) => {
  const outbox = await openPaused(t)
  const items = Array.from({ length: 5_600 }, (_, n) => ({ message: hl7({ control: `N${n}X`, patient: `P-${n}` }) }))
  await outbox.enqueueHl7Batch(items)
  const browser = desk(outbox).browser()
  const whole = await browser.get('api/messages', { controlId: 'N7X' })
  assert.deepEqual(whole.body.items.map(({ controlId: each }) => each), ['N7X'])
  assert.deepEqual([whole.body.searched.count, whole.body.nextCursor === null], [5_000, false])
  const part = await browser.get('api/messages', { controlId: 'n559' })
  assert.deepEqual(part.body.items.map(({ controlId: each }) => each), [...Array.from({ length: 10 }, (_, n) => `N559${9 - n}X`)])
  const rest = await browser.get('api/messages', { controlId: 'N7X', cursor: whole.body.nextCursor })
  assert.deepEqual([rest.body.items.map(({ controlId: each }) => each), rest.body.nextCursor], [['N7X'], null])
  await outbox.cancelMessages({ status: 'PENDING' }, by)
})
