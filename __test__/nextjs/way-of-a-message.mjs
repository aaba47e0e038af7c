import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { receivedBy } from '../../scripts/lib/receiver.mjs'

const DELIVERY_MS_MAX = 30_000

/** Posts one message to a fresh application and follows it: stored, delivered byte for byte, ACKNOWLEDGED. */
export async function assertDelivers(app, receiver, controlId) {
  const message = `MSH|^~\\&|MF0000^MF0000|MF0000^MF0000|Rhapsody^MALAFFI|ADHIE|20260131094500+0400||ADT^A08^ADT_A01|${controlId}|T|2.5.1||||||UNICODE UTF-8\rEVN|A08|20260131094500+0400\rPID|1||789012^^^&MF0000||Example^نور||20140305|F\rPV1|1|O\r`
  const response = await fetch(`${app.url}/api/messages`, { method: 'POST', body: message })
  assert.equal(response.status, 202, app.output)
  const enqueued = await response.json()
  assert.equal(enqueued.controlId, controlId)

  const deadline = performance.now() + DELIVERY_MS_MAX
  let found
  do {
    found = await (await fetch(`${app.url}/api/messages?id=${enqueued.id}`)).json()
    if (found.status !== 'PENDING') break
    await delay(50)
  } while (performance.now() < deadline)
  assert.equal(found.status, 'ACKNOWLEDGED', JSON.stringify(found))

  const arrived = (await receivedBy(receiver)).filter((each) => each.controlId === controlId)
  assert.equal(arrived.length, 1)
  assert.equal(arrived[0].sha256, createHash('sha256').update(message).digest('hex'))
}
