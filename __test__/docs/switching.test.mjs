// The code of docs/switching.md as it stands there: both ways through one route, and the way back.
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'

import ts from 'typescript'

import { hl7 } from '../support/messages.mjs'
import { by, config, count, door, folder, openPaused, reach, root } from '../support/outbox.mjs'
import { startProgram } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'
import { writeBlocks } from '../support/recipes.mjs'

/** What the application of the page has besides. */
const THEIRS = {
  'lib/visits.mjs': 'export const saveVisit = async (visit) => visit',
  'lib/hl7.mjs': 'export const buildA04 = ({ hl7 }) => hl7',
  'lib/malaffi.mjs': `
    export async function sendToMalaffi(body) {
      const response = await fetch(process.env.MALAFFI_API_URL, { method: 'POST', body, headers: { 'content-type': 'application/hl7-v2' } })
      return { status: (await response.text()).includes('MSA|AA') ? 'ACKNOWLEDGED' : 'FAILED' }
    }`,
}

/** One folder of the page as modules that Node.js runs: types stripped, `@/` as a path. */
async function route(t, way, env) {
  const place = folder(t)
  writeBlocks(place, 'switching.md')
  const here = join(place, way)
  const files = readdirSync(here, { recursive: true }).map(String).filter((name) => name.endsWith('.ts'))
  const sources = files.map((name) => [name.replace(/\.ts$/, '.mjs'), ts.transpileModule(readFileSync(join(here, name), 'utf8'), { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } }).outputText])
  for (const [name, text] of [...Object.entries(THEIRS), ...sources]) {
    const resolved = text
      .replaceAll(/from '@\/([^']+)'/g, (_, path) => `from ${JSON.stringify(pathToFileURL(join(here, `${path}.mjs`)).href)}`)
      .replaceAll("from 'hl7-outbox'", `from ${JSON.stringify(pathToFileURL(join(root, 'index.mjs')).href)}`)
    mkdirSync(dirname(join(here, name)), { recursive: true })
    writeFileSync(join(here, name), resolved)
  }
  Object.assign(process.env, env)
  const { POST } = await import(pathToFileURL(join(here, 'app', 'api', 'visits', 'route.mjs')).href)
  return async (visit) => {
    const response = await POST(new Request('https://clinic.example/api/visits', { method: 'POST', body: JSON.stringify(visit) }))
    assert.equal(response.status, 201)
    return response.json()
  }
}

/** A receiver that answers when it is told to. */
async function slowReceiver(t) {
  const waiting = []
  let arrived
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    waiting.push(() => response.end(`MSH|^~\\&|R||||20300102||ACK|A|T|2.5.1\rMSA|AA|${body.split('|')[9]}\r`))
    arrived?.()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close().closeAllConnections())
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    async next() {
      while (waiting.length === 0) await new Promise((resolve) => (arrived = resolve))
      return waiting.shift()
    },
  }
}

test('with the flag the answer comes before the receiver’s, without it after; by school', async (t) => {
  const slow = await slowReceiver(t)
  const place = folder(t)
  await door.startOutbox(config(join(place, 'outbox.db'), slow.url))
  t.after(() => door.stopOutbox({ timeoutMs: 0 }))
  const env = { MALAFFI_API_URL: slow.url, HL7_OUTBOX_SCHOOLS: '7, 8' }
  const visit = (schoolId) => ({ id: `V-${schoolId}`, schoolId, hl7: hl7() })
  const [before, after] = [await route(t, 'before', env), await route(t, 'after', env)]

  for (const save of [() => before(visit('7')), () => after(visit('9'))]) {
    let hasAnswered = false
    const saving = save().finally(() => (hasAnswered = true))
    const answer = await slow.next()
    assert.equal(hasAnswered, false, 'the user waits for the receiver')
    answer()
    assert.equal((await saving).hl7, 'ACKNOWLEDGED')
  }

  assert.deepEqual(await after(visit('7')), { visitId: 'V-7', hl7: 'PENDING' })
  const [{ id, tags }] = (await door.listMessages()).items
  assert.deepEqual(tags, { visitId: 'V-7', schoolId: '7' })
  ;(await slow.next())()
  await reach(door, id, 'ACKNOWLEDGED')
})

test('what waits is sent the old way in its order, once, and never again by the outbox', async (t) => {
  const place = folder(t)
  writeBlocks(place, 'switching.md')
  const program = join(place, 'back', 'send-exported.mjs')
  const taker = await receiver(t, { rules: [{ when: { controlId: 'BACK-2', first: 1 }, answer: { type: 'ae', errors: [{ code: '103' }] } }] })
  const path = join(place, 'outbox.db')
  const outbox = await openPaused(t, taker.url, {}, { path })
  for (const control of ['BACK-1', 'BACK-2', 'BACK-3']) await outbox.enqueueHl7(hl7({ control, patient: 'ONE' }))
  await outbox.enqueueHl7(hl7({ control: 'FOR-A-PERSON' }), { hold: true })
  await outbox.close()

  const target = join(place, 'undelivered')
  const file = join(place, 'hl7-outbox.config.json')
  writeFileSync(file, JSON.stringify(config(path, taker.url)))
  const command = (...args) => ended(t, [join(root, 'dist', 'cli', 'main.js'), ...args, '--config', file])
  const send = () => ended(t, [program, target], { MALAFFI_API_URL: taker.url, MALAFFI_API_KEY: 'an-invented-token' })
  assert.equal((await command('export', '--to', target)).code, 0)
  const stopped = await send()
  assert.equal(stopped.code, 1)
  assert.match(stopped.err, /BACK-2 was not taken \(HTTP 200, AE\)/)
  const went = await send()
  assert.deepEqual([went.code, went.out], [0, 'FOR-A-PERSON is HELD: for a person\n'])
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId), ['BACK-1', 'BACK-2', 'BACK-2', 'BACK-3'])
  assert.equal((await send()).code, 0)
  // It may be repeated into the same folder.
  assert.equal((await command('export', '--to', target)).code, 0)

  assert.equal((await command('cancel', '--status', 'PENDING', '--reason', 'sent the old way')).code, 0)
  const again = await door.Outbox.open(config(path, taker.url))
  t.after(() => again.close({ timeoutMs: 0 }))
  await again.resumeDestination('malaffi', by)
  const fresh = await again.enqueueHl7(hl7({ control: 'FRESH', patient: 'ONE' }))
  await reach(again, fresh.id, 'ACKNOWLEDGED')
  await count(again, 'CANCELLED', 3)
  assert.deepEqual((await taker.received()).map(({ controlId }) => controlId).slice(4), ['FRESH'])
})

async function ended(t, args, env = {}) {
  const program = startProgram(t, args, { env })
  const { code } = await program.end()
  return { code, out: program.out, err: program.err }
}
