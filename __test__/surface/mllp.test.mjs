// Over MLLP from the enqueue to the acknowledgement, with the stand-in receiver at the other end.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, count, door, folder, open, reach, refused, root } from '../support/outbox.mjs'
import { bytesOf, receiver } from '../support/receiver.mjs'

const facade = createRequire(import.meta.url)(join(root, 'dist', 'facade', 'index.js'))

/** A receiver on MLLP, with HTTP beside it to look at what it got. */
async function mllp(t, behaviour = {}) {
  const running = await facade.startReceiver({ http: '127.0.0.1:0', mllp: '127.0.0.1:0', behaviour })
  t.after(() => running.stop())
  const received = async () => (await (await fetch(`http://${running.http}/received?limit=1000`)).json()).items
  return { url: `mllp://${running.mllp}`, received }
}

test('a message over MLLP is acknowledged, byte for byte the one that was enqueued', async (t) => {
  const taker = await mllp(t)
  const outbox = await open(t, taker.url)
  const message = hl7({ control: 'MLLP' })
  const { id } = await outbox.enqueueHl7(message)
  const done = await reach(outbox, id, 'ACKNOWLEDGED')
  assert.deepEqual([done.attempts, done.possibleDuplicate, done.warning], [1, false, null])
  const [arrived] = await taker.received()
  assert.equal(arrived.transport, 'mllp')
  assert.deepEqual(bytesOf(arrived), Buffer.from(await outbox.getMessageContent(id)))
  assert.match(Buffer.from(await outbox.getAnswer(id, 1)).toString(), /\rMSA\|AA\|/)
  const [attempt] = await outbox.getAttempts(id)
  assert.deepEqual([attempt.row, attempt.ackCode, attempt.httpStatus ?? null], ['aa', 'AA', null])
  assert.equal((await outbox.getHealth()).destinations.malaffi.certificateExpiresAt, null)
})

test('patients keep their order over four connections', async (t) => {
  const taker = await mllp(t, { latency: { minMs: 0, maxMs: 4 } })
  const outbox = await open(t, taker.url, { concurrency: 4 })
  const messages = []
  for (let n = 0; n < 15; n++) for (const patient of ['A', 'B', 'C', 'D', 'E', 'F']) messages.push({ message: hl7({ control: `${patient}${n}`, patient }) })
  await outbox.enqueueHl7Batch(messages)
  await count(outbox, 'ACKNOWLEDGED', messages.length)
  const items = await taker.received()
  assert.equal(items.length, messages.length)
  assert.ok(new Set(items.map(({ connection }) => connection)).size <= 4)
  const sent = messages.map(({ message }) => message.split('|')[9])
  for (const patient of new Set(items.map((item) => item.patient))) {
    const arrived = items.filter((item) => item.patient === patient).map(({ controlId }) => controlId)
    assert.deepEqual(arrived, sent.filter((id) => arrived.includes(id)), patient)
    assert.equal(arrived.length, 15)
  }
})

test('refusals over MLLP are dead letters, silence is sent again with the mark', async (t) => {
  const taker = await mllp(t, {
    rules: [
      { when: { controlId: 'BAD' }, answer: { type: 'ae', errors: [{ code: '103', location: 'PV1^1^7', applicationCode: '1014' }] } },
      { when: { controlId: 'DOUBT', first: 1 }, answer: 'silent' },
    ],
  })
  const outbox = await open(t, taker.url, { timeouts: { firstByteMs: 200 } })
  const bad = await outbox.enqueueHl7(hl7({ control: 'BAD' }))
  assert.deepEqual((await reach(outbox, bad.id, 'FAILED')).failure.errCodes, ['103', '1014'])
  const doubt = await outbox.enqueueHl7(hl7({ control: 'DOUBT' }))
  const done = await reach(outbox, doubt.id, 'ACKNOWLEDGED')
  assert.deepEqual([done.tries, done.possibleDuplicate], [2, true])
  assert.equal((await outbox.getAttempts(doubt.id))[0].code, 'FIRST_BYTE_TIMEOUT')
})

test('what a destination cannot have is refused by its key, and no secret is repeated', async (t) => {
  const file = join(folder(t), 'outbox.db')
  const cases = [
    ['mllp://hl7.example', {}, 'url'],
    ['mllps://hl7.example', { auth: { bearer: 'sk-invented' } }, 'auth'],
    ['mllps://hl7.example', { headers: { 'X-Site': '1' } }, 'headers'],
    ['mllps://hl7.example', { tls: { certFile: '/nonexistent/clinic.pem', keyFile: '/nonexistent/clinic.key' } }, 'tls.certFile'],
    ['mllps://hl7.example', { tls: { pins: ['sha256/AAAA'] } }, 'tls.pins'],
    ['mllps://hl7.example', { tls: { serverName: 'not a name' } }, 'tls.serverName'],
    ['https://hl7.example', { auth: { oauth2: { tokenUrl: 'http://id.example/', clientId: 'c', clientSecret: 'sk-invented' } } }, 'auth.oauth2.tokenUrl'],
    ['https://hl7.example', { proxy: { url: 'socks5://proxy.example' } }, 'proxy.url'],
    ['https://hl7.example', { timeouts: { writeMs: 0 } }, 'timeouts.writeMs'],
  ]
  for (const [url, destination, key] of cases) {
    const error = await refused(() => door.Outbox.open(config(file, url, destination)), 'ERR_CONFIG', key)
    assert.ok(error.message.includes(`\`destinations.malaffi.${key}\``), error.message)
    assert.ok(!error.message.includes('sk-invented'))
  }
})

test('HTTP and MLLP destinations live side by side in one outbox', async (t) => {
  const [web, line] = [await receiver(t), await mllp(t)]
  const outbox = await open(t, web.url, {}, { destinations: { web: { url: web.url }, line: { url: line.url } }, defaultDestination: 'web' })
  const { deliveries } = await outbox.enqueueHl7(hl7({ control: 'BOTH' }), { destinations: ['web', 'line'] })
  for (const { id } of deliveries) await reach(outbox, id, 'ACKNOWLEDGED')
  assert.deepEqual([(await web.received()).length, (await line.received()).length], [1, 1])
})

test('a proxy of the environment is not used', async (t) => {
  const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy']
  for (const name of names) process.env[name] = 'http://127.0.0.1:9'
  t.after(() => names.forEach((name) => delete process.env[name]))
  const [web, line] = [await receiver(t), await mllp(t)]
  for (const { url } of [web, line]) {
    const outbox = await open(t, url)
    const { id } = await outbox.enqueueHl7(hl7())
    await reach(outbox, id, 'ACKNOWLEDGED')
  }
})
