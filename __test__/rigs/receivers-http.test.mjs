// Receivers that others wrote, over HTTP and HTTPS: mllp-https in front of a receiver made with the library hl7, and in front
// of hl7v2-fhir-bridge. All on loopback.
import assert from 'node:assert/strict'
import test from 'node:test'

import { freePort } from '../../scripts/lib/ports.mjs'
import { controlId, hl7 } from '../support/messages.mjs'
import { open } from '../support/outbox.mjs'
import { answers, attempted, deliver, drop, drops, outage, refusals } from './receivers/cases.mjs'
import { packages } from './receivers/packages.mjs'

const real = packages()
const timeout = 120_000
/** https2mllp keeps a connection open on which it has given up, so silence has to be long enough to be told. */
const timeouts = { totalMs: 2_000 }

for (const scheme of ['http', 'https']) {
  test(`${scheme}: AA, AE, AR, CRLF, Arabic and 1.5 MB`, { timeout }, async (t) => {
    const receiver = await real.mllp(t)
    await answers(t, receiver, await real[scheme](t, receiver.port))
  })

  test(`${scheme}: the strict receiver's 101, 202 and 203 are final, and its warnings are kept`, { timeout }, async (t) => {
    const { port } = await real.bridge(t)
    await refusals(t, await real[scheme](t, port))
  })

  test(`${scheme}: 207 alone is tried again`, { timeout }, async (t) => {
    const { port } = await real.bridge(t, '--fhir-url', `http://127.0.0.1:${await freePort()}`)
    await outage(t, await real[scheme](t, port))
  })

  test(`${scheme}: a receiver that drops the connection behind the proxy leaves no proof`, { timeout }, async (t) => {
    const receiver = await real.mllp(t)
    const { url, destination } = await real[scheme](t, receiver.port)
    await drops(t, receiver, { url, destination: { ...destination, timeouts, requireHl7Ack: true } })
  })

  test(`${scheme}: a receiver that drops the connection in the middle of a request has accepted nothing`, { timeout }, async (t) => {
    const receiver = await real.mllp(t)
    const { url, destination } = await real[scheme](t, receiver.port)
    await drop(t, receiver, { url, destination: { ...destination, timeouts, requireHl7Ack: true } })
  })

  test(`${scheme}: the proxy's empty 200 for a dropped message passes for SENT where no acknowledgement is required`, { timeout }, async (t) => {
    const receiver = await real.mllp(t)
    const { url, destination } = await real[scheme](t, receiver.port)
    const outbox = await open(t, url, { rateLimit: null, ...destination })
    const sent = await deliver(outbox, hl7({ control: controlId('DROP') }), 'SENT')
    assert.deepEqual(sent.tries.map(({ row, httpStatus }) => [row, httpStatus]), [['http-2xx-plain', 200]])
  })

  test(`${scheme}: a proxy that cannot reach its receiver drops the request or stays silent, which is doubt each time`, { timeout }, async (t) => {
    const { url, destination } = await real[scheme](t, await freePort())
    const outbox = await open(t, url, { rateLimit: null, ...destination, timeouts, retry: { scheduleMs: [20], jitter: 0, maxIndeterminate: 2 } })
    const failed = await deliver(outbox, hl7(), 'FAILED')
    assert.deepEqual([failed.tries.map(({ row }) => row), failed.failure.reason], [['no-answer', 'no-answer'], 'indeterminate'])
  })
}

test('https: without the password nothing is delivered, and nothing is lost', { timeout }, async (t) => {
  const receiver = await real.mllp(t)
  const { url, destination } = await real.https(t, receiver.port)
  const outbox = await open(t, url, { ...destination, timeouts, auth: undefined })
  const { id } = await outbox.enqueueHl7(hl7())
  const attempts = await attempted(outbox, id)
  assert.deepEqual([attempts[0].row, attempts[0].outcome], ['http-401', 'misconfigured'])
  assert.deepEqual([(await outbox.getMessage(id)).status, receiver.received()], ['PENDING', []])
})

test('https: a certificate that nobody vouches for is not talked to', { timeout }, async (t) => {
  const receiver = await real.mllp(t)
  const { url, destination } = await real.https(t, receiver.port)
  const outbox = await open(t, url, { ...destination, tls: undefined })
  const { id } = await outbox.enqueueHl7(hl7())
  const attempts = await attempted(outbox, id)
  assert.deepEqual([attempts[0].row, receiver.received()], ['certificate-refused', []])
})
