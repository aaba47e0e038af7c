// A named reader of the changes among several processes: one at a time, and another when it dies.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, folder, open } from '../support/outbox.mjs'
import { startScript } from '../support/processes.mjs'

/** A process that reads as `sync` and prints what it is told. */
function reader(t, settings) {
  return startScript(t, `
    await outbox.startOutbox(${JSON.stringify(settings)})
    console.log('stands')
    for await (const { controlId } of outbox.statusChanges({ consumer: 'sync' })) console.log('told ' + controlId)
  `)
}

const told = (program) => program.lines.filter((line) => line.startsWith('told ')).map((line) => line.slice(5))

test('one process reads at a time, and after its death another goes on, with nothing lost', { timeout: 60_000 }, async (t) => {
  const path = join(folder(t), 'outbox.db')
  const settings = config(path, 'http://127.0.0.1:9/', { enabled: false }, { dispatch: false })
  const outbox = await open(t, 'http://127.0.0.1:9/', { enabled: false }, { path, dispatch: false })
  for (let n = 0; n < 3; n++) await outbox.enqueueHl7(hl7({ control: `A${n}` }))
  const first = reader(t, settings)
  await first.line((line) => line === 'told A2')
  const others = [reader(t, settings), reader(t, settings)]
  for (const other of others) await other.line((line) => line === 'stands')
  for (let n = 0; n < 3; n++) await outbox.enqueueHl7(hl7({ control: `B${n}` }))
  await first.line((line) => line === 'told B2')
  assert.deepEqual(others.map(told), [[], []])
  await first.kill()
  const killed = Date.now()
  await outbox.enqueueHl7(hl7({ control: 'C0' }))
  const next = await Promise.race(others.map((other) => other.line((line) => line === 'told C0').then(() => other)))
  assert.ok(Date.now() - killed < 5_000, `${Date.now() - killed} ms`)
  const idle = others.find((other) => other !== next)
  assert.deepEqual(told(idle), [])
  // The dead one's last page may come again; nothing before it does, and nothing is left out.
  const heard = told(next)
  assert.deepEqual(heard, ['A0', 'A1', 'A2', 'B0', 'B1', 'B2', 'C0'].slice(-heard.length))
  // Whether it had noted C0 before it died is open; what comes later is told in any case.
  await next.kill()
  await outbox.enqueueHl7(hl7({ control: 'D0' }))
  await idle.line((line) => line === 'told D0')
  const last = told(idle)
  assert.deepEqual(last, ['A0', 'A1', 'A2', 'B0', 'B1', 'B2', 'C0', 'D0'].slice(-last.length))
})
