// The stand-in receiver, as a process of its own: an outage is then a real one, with a closed port.
import { join } from 'node:path'
import { root } from '../prepare.mjs'

const cli = join(root, 'dist', 'cli', 'main.js')

/** Starts it; `port` 0 means any. Resolves with the process, its `url` and `port`. */
export async function startReceiver(processes, { port = 0 } = {}) {
  const receiver = await processes.start('the receiver', [cli, 'receiver', '--http', `127.0.0.1:${port}`, '--json'], { ready: addressIn })
  const url = receiver.value
  return Object.assign(receiver, { url, port: Number(new URL(url).port) })
}

function addressIn(line) {
  if (!line.startsWith('{')) return null
  return /"(http:\/\/[^"]+)"/.exec(line)?.[1] ?? null
}

/** Everything it took, in the order of arrival. */
export async function receivedBy(receiver) {
  const items = []
  for (let after = 0; after !== null; ) {
    const response = await fetch(new URL(`/received?after=${after}&limit=1000`, receiver.url))
    if (!response.ok) throw new Error(`the receiver answered ${response.status}: ${await response.text()}`)
    const page = await response.json()
    items.push(...page.items)
    after = page.next ?? null
  }
  return items
}
