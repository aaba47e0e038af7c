// The upgrade of the deployment guide with PM2 from npm: releases in folders of their own, `current` leads to one of them, and a reload takes it.
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { installPm2, Pm2 } from '../../rigs/lib/pm2.mjs'
import { freePort } from '../../scripts/lib/ports.mjs'
import { hl7 } from '../support/messages.mjs'
import { config, folder, root } from '../support/outbox.mjs'
import { receiver } from '../support/receiver.mjs'

const EXAMPLE = join(root, 'examples', 'pm2')
const HEADER = "{ 'content-type': 'application/json' }"

/** A release: the guide's application, whose answers say which one it is. */
function release(place, name) {
  const directory = join(place, 'releases', name)
  mkdirSync(join(directory, 'node_modules'), { recursive: true })
  symlinkSync(root, join(directory, 'node_modules', 'hl7-outbox'), 'junction')
  copyFileSync(join(EXAMPLE, 'ecosystem.config.js'), join(directory, 'ecosystem.config.js'))
  const server = readFileSync(join(EXAMPLE, 'server.mjs'), 'utf8')
  assert.ok(server.includes(HEADER))
  writeFileSync(join(directory, 'server.mjs'), server.replace(HEADER, `{ 'content-type': 'application/json', 'x-release': '${name}' }`))
  return directory
}

test('a reload runs the release that the link leads to now, on the same file, and the same way back', { timeout: 240_000 }, async (t) => {
  await installPm2()
  const place = folder(t)
  const taker = await receiver(t)
  const current = join(place, 'current')
  // As `ln -sfn` does it: at no moment is there none.
  const lead = (to) => {
    symlinkSync(to, `${current}.next`, 'dir')
    renameSync(`${current}.next`, current)
  }
  const [one, two] = [release(place, 'one'), release(place, 'two')]
  lead(one)
  const file = join(place, 'hl7-outbox.config.json')
  const path = join(place, 'outbox.db')
  const { destinations } = config(path, taker.url)
  writeFileSync(file, JSON.stringify({ destinations, log: { level: 'error' } }))
  const port = await freePort()
  const pm2 = new Pm2(place, { HL7_OUTBOX_PATH: path, HL7_OUTBOX_CONFIG: file, PORT: String(port), CLINIC_HOME: current })
  pm2.cwd = current
  const sent = []
  const post = async () => {
    const control = `UPGRADE-${sent.length}`
    sent.push(control)
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: hl7({ control, patient: 'ONE' }) })
    assert.equal(response.status, 201)
    return response.headers.get('x-release')
  }
  const releases = async () => [...new Set([await post(), await post(), await post(), await post()])]
  try {
    await pm2.command('start', 'ecosystem.config.js', '--only', 'clinic', '--env', 'without_worker')
    assert.deepEqual(await releases(), ['one'])
    for (const [directory, name] of [[two, 'two'], [one, 'one']]) {
      lead(directory)
      await pm2.command('reload', 'clinic')
      assert.deepEqual(await releases(), [name])
    }
    assert.deepEqual((await taker.until(sent.length)).map(({ controlId }) => controlId), sent)
  } finally {
    // Before the folder is gone, by which it is found.
    await pm2.stop()
  }
})
