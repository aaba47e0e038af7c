// `send`: files as they come, what is wrong with them, and every way of being interrupted.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, folder, openPaused } from '../support/outbox.mjs'
import { Names, run, same } from './snapshot.mjs'

const MANY = 6_000
const frame = (message) => `\x0b${message}\x1c\r`

async function place(t) {
  const cwd = folder(t)
  const path = join(cwd, 'outbox.db')
  const url = 'http://127.0.0.1:9/'
  writeFileSync(join(cwd, 'hl7-outbox.config.json'), JSON.stringify(config(path, url, { processingIds: ['T'] })))
  const outbox = await openPaused(t, url, { processingIds: ['T'] }, { path })
  const put = (name, text) => writeFileSync(join(cwd, name), text)
  return { cwd, outbox, put, names: new Names().set(cwd, 'folder') }
}

/** Control ids in the order in which they were stored. */
async function stored(outbox) {
  const ids = []
  let cursor
  do {
    const page = await outbox.listMessages({ order: 'oldest', limit: 1_000, ...(cursor && { cursor }) })
    ids.push(...page.items.map(({ controlId }) => controlId))
    cursor = page.nextCursor
  } while (cursor)
  return ids
}

test('every form is stored in the order of the files, what is wrong is listed with its place, and the rest goes on', async (t) => {
  const { cwd, outbox, put, names } = await place(t)
  put('one.hl7', hl7({ control: 'ONE' }).replaceAll('\r', '\n'))
  put('batch.hl7', `FHS|^~\\&|X\rBHS|^~\\&|X\r${hl7({ control: 'B1' })}${hl7({ control: '' })}${hl7({ control: 'B2' })}BTS|4\rFTS|1\r`)
  put('capture.mllp', frame(hl7({ control: 'M1' })) + frame('MSH|^~\\&|A|B|C|D|20300102030405+0000||ACK|Y|T|2.5.1\rMSA|AA|M1\r') + frame(hl7({ control: 'M2', msh: { 11: 'P' } })) + `\x0b${hl7({ control: 'CUT' })}`)
  put('conflict.hl7', hl7({ control: 'ONE', note: 'other bytes' }) + hl7({ control: 'ONE' }))
  put('note.txt', 'an invented note\n')
  put('empty.hl7', '')
  const files = ['one.hl7', 'batch.hl7', 'capture.mllp', 'conflict.hl7', 'note.txt', 'empty.hl7']
  const first = await run(t, ['send', ...files, '--tag', 'source=test'], { cwd })
  assert.deepEqual(await stored(outbox), ['ONE', 'B1', 'B2', 'M1'])
  assert.equal((await outbox.listMessages({ tags: { source: 'test' } })).items.length, 4)
  same('send', first, names)
  same('send-again', await run(t, ['send', ...files, '--tag', 'source=test'], { cwd }), names)
  same('send-json', await run(t, ['send', 'one.hl7', 'note.txt', '--json'], { cwd }), names)
})

test('the standard input, --hold and --check', async (t) => {
  const { cwd, outbox, names } = await place(t)
  same('send-input', await run(t, ['send', '-', '--hold'], { cwd, input: hl7({ control: 'IN' }) }), names)
  assert.equal((await outbox.getMessage({ controlId: 'IN' })).status, 'HELD')
  const refused = await run(t, ['send', '-', '--check', 'malaffi'], { cwd, input: hl7({ control: 'C'.repeat(23) }) })
  same('send-check', refused, names)
  same('send-nothing', await run(t, ['send', '-'], { cwd }), names)
  assert.deepEqual(await stored(outbox), ['IN'])
})

test('a wrong destination stops it before anything is stored, and a full outbox says how to go on', async (t) => {
  const { cwd, outbox, put, names } = await place(t)
  put('two.hl7', hl7({ control: 'T1' }) + hl7({ control: 'T2' }))
  same('send-destination', await run(t, ['send', 'two.hl7', '--destination', 'nobody'], { cwd }), names)
  writeFileSync(join(cwd, 'small.json'), JSON.stringify(config(join(cwd, 'outbox.db'), 'http://127.0.0.1:9/', {}, { limits: { pendingMessages: 1 } })))
  same('send-full', await run(t, ['send', 'two.hl7', '--config', 'small.json'], { cwd }), names)
  assert.deepEqual(await stored(outbox), [])
})

/** The second Ctrl-C would end it at once. */
const once = (call) => (...args) => {
  call?.(...args)
  call = undefined
}

const many = Array.from({ length: MANY }, (_, n) => hl7({ control: `N${n}`, patient: `P${n % 50}` }))
const inOrder = many.map((_, n) => `N${n}`)

for (const signal of ['SIGINT', 'SIGKILL']) {
  test(`after ${signal} in the middle what was stored is a beginning of the file, and the same command stores the rest`, async (t) => {
    const { cwd, outbox, put } = await place(t)
    put('many.hl7', many.join(''))
    const cut = await run(t, ['send', 'many.hl7', '--json'], { cwd, each: once((_, child) => child.kill(signal)) })
    assert.equal(cut.code, signal === 'SIGINT' ? 130 : signal)
    if (signal === 'SIGINT') assert.match(cut.err, /stored, 0 there already, 0 refused\ninterrupted: run the same command again, and it goes on where it ended\n$/)
    const before = await stored(outbox)
    assert.ok(before.length > 0 && before.length < MANY, `${before.length} were stored`)
    assert.deepEqual(before, inOrder.slice(0, before.length))
    const rest = await run(t, ['send', 'many.hl7'], { cwd })
    const number = (n) => n.toLocaleString('en-US')
    assert.deepEqual([rest.code, rest.out], [0, `${number(MANY - before.length)} stored, ${number(before.length)} there already, 0 refused\n`])
    assert.deepEqual(await stored(outbox), inOrder)
  })
}

test('two of them at once store everything once', async (t) => {
  const { cwd, outbox, put } = await place(t)
  put('many.hl7', many.join(''))
  const both = await Promise.all([1, 2].map(() => run(t, ['send', 'many.hl7'], { cwd })))
  assert.deepEqual(both.map(({ code }) => code), [0, 0])
  assert.deepEqual((await stored(outbox)).sort(), [...inOrder].sort())
})

test('a reader that goes away ends a command at once and in silence', async (t) => {
  const { cwd, outbox } = await place(t)
  await outbox.enqueueHl7Batch(many.slice(0, 3_000).map((message) => ({ message })))
  for (const args of [['list', '--all', '--json'], ['tail', '--json']]) {
    const gone = await run(t, args, { cwd, each: (_, child) => child.stdout.destroy() })
    assert.deepEqual([gone.code, gone.err], [0, ''], args.join(' '))
  }
})

test('nothing in a message, a tag or an answer can steer a terminal', async (t) => {
  const { cwd, outbox } = await place(t)
  const { id } = await outbox.enqueueHl7(hl7({ control: 'ESC', note: '\u001b]0;title\u0007\u001b[2J\u202e<script>' }), { tags: { school: '\u001b[31m' } })
  for (const args of [['list'], ['show', id], ['show', id, '--reveal', '--reason', 'a test'], ['tail', '--limit', '1']]) {
    const { out, err } = await run(t, args, { cwd })
    // eslint-disable-next-line no-control-regex -- that is what is looked for
    assert.doesNotMatch(out + err, /[\u0000-\u0009\u000b-\u001f\u202e]/, args.join(' '))
  }
  assert.equal(by.actor, 'tester')
})
