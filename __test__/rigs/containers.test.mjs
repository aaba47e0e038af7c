// Two containers with one volume, as far as the outbox can tell: processes with the number 1 in namespaces of their own. Needs Linux and root.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, folder, root } from '../support/outbox.mjs'
import { startCommand } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const COMMAND = join(root, 'dist', 'cli', 'main.js')

test('two containers share one file: each is process 1, one delivers, and the other takes over', { timeout: 60_000 }, async (t) => {
  const taker = await receiver(t)
  const place = folder(t)
  const path = join(place, 'outbox.db')
  const file = join(place, 'hl7-outbox.config.json')
  writeFileSync(file, JSON.stringify(config(path, taker.url)))
  const inContainer = (...args) => startCommand(t, 'unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath, ...args])
  const worker = async () => {
    const program = inContainer(COMMAND, 'worker', '--config', file)
    await program.line((line) => line.includes('worker: ready'))
    return program
  }
  const send = async (control) => {
    const message = join(place, `${control}.hl7`)
    writeFileSync(message, hl7({ control, patient: 'ONE' }))
    const program = inContainer(COMMAND, 'send', message, '--config', file)
    assert.equal((await program.end()).code, 0, program.err)
  }
  const workers = [await worker(), await worker()]
  await send('CONTAINER-1')
  await taker.until(1)
  // Whichever of them delivers: one after the other is ended, and with the last nobody is left.
  await workers[0].kill()
  await send('CONTAINER-2')
  assert.deepEqual((await taker.until(2)).map(({ controlId }) => controlId), ['CONTAINER-1', 'CONTAINER-2'])
  workers.push(await worker())
  await workers[1].kill()
  await send('CONTAINER-3')
  assert.deepEqual((await taker.until(3)).map(({ controlId }) => controlId), ['CONTAINER-1', 'CONTAINER-2', 'CONTAINER-3'])
})
