// System calls fail at any moment of an application's life, and what was promised holds.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'

import { Board, buildFaults, FOR_EVER } from '../../rigs/lib/faults.mjs'
import { run } from '../../rigs/run.mjs'
import { hl7 } from '../support/messages.mjs'
import { config, folder } from '../support/outbox.mjs'
import { startApp } from '../support/processes.mjs'
import { finds } from '../support/rigs.mjs'

test('whatever system call fails, nothing acknowledged is lost, callers hear codes, and the same process works again', async () => {
  const { figures, violations } = await run('inject', { cycles: 150 })
  assert.deepEqual(violations, [])
  assert.ok(figures.met > 100, `${figures.met} faults met`)
  assert.ok(figures.lasting > 0, 'faults that lasted')
  assert.ok(figures.rejections > 100, `${figures.rejections} rejections`)
})

test('the rig sees an application that takes a rejection for a success', async () => {
  await finds('inject', { cycles: 12, plant: 'trusting', words: /was resolved and never arrived/ })
})

test('a file that takes no writes is told by health although the log does, and is in use again when it takes them', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const board = new Board(join(here, 'board'), await buildFaults(here))
  t.after(() => board.close())
  const app = await startApp(t, config(path, 'http://127.0.0.1:9/', {}, { dispatch: false }), { env: board.env(path) })
  const until = async (status) => {
    for (const end = Date.now() + 10_000; Date.now() < end; ) {
      if ((await app.call('getHealth')).status === status) return
      await app.call('enqueueHl7', hl7()).catch((error) => assert.equal(error.code, 'ERR_STORE_FAILED'))
    }
    assert.fail(`health did not come to say ${status}`)
  }
  const { id } = await app.call('enqueueHl7', hl7())
  const before = (await app.call('getHealth')).status
  board.set([{ call: 'pwrite', file: 'main', error: 'EIO', times: FOR_EVER }])
  await until('down')
  board.clear()
  await until(before)
  assert.equal((await app.call('getMessage', id)).status, 'PENDING')
})
