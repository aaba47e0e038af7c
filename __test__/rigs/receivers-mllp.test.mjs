// Receivers that others wrote, over MLLP and MLLP with TLS: one made with the library hl7, and hl7v2-fhir-bridge. All on
// loopback.
import test from 'node:test'

import { freePort } from '../../scripts/lib/ports.mjs'
import { answers, drop, drops, outage, refusals } from './receivers/cases.mjs'
import { packages } from './receivers/packages.mjs'

const real = packages()
const timeout = 120_000

test('mllp: AA, AE, AR, CRLF, Arabic and 1.5 MB', { timeout }, async (t) => {
  const receiver = await real.mllp(t)
  await answers(t, receiver, { url: `mllp://127.0.0.1:${receiver.port}` })
})

test('mllps: AA, AE, AR, CRLF, Arabic and 1.5 MB', { timeout }, async (t) => {
  const receiver = await real.mllp(t, { secure: true })
  await answers(t, receiver, { url: `mllps://127.0.0.1:${receiver.port}`, destination: { tls: { caFile: real.tls().cert } } })
})

test('mllp: a receiver that closes without an answer, or in the middle of one, leaves no proof', { timeout }, async (t) => {
  const receiver = await real.mllp(t)
  await drops(t, receiver, { url: `mllp://127.0.0.1:${receiver.port}` })
})

test('mllp: a receiver that drops the connection in the middle of a message has accepted nothing', { timeout }, async (t) => {
  const receiver = await real.mllp(t)
  await drop(t, receiver, { url: `mllp://127.0.0.1:${receiver.port}` })
})

test("mllp: the strict receiver's 101, 202 and 203 are final, and its warnings are kept", { timeout }, async (t) => {
  const { port } = await real.bridge(t)
  await refusals(t, { url: `mllp://127.0.0.1:${port}` })
})

test('mllp: 207 alone is tried again', { timeout }, async (t) => {
  const { port } = await real.bridge(t, '--fhir-url', `http://127.0.0.1:${await freePort()}`)
  await outage(t, { url: `mllp://127.0.0.1:${port}` })
})
