// The admin page by itself: on this machine only, for whoever has its address.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, door, folder, root } from '../support/outbox.mjs'
import { startProgram } from '../support/processes.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')

async function served(t, more = []) {
  const path = join(folder(t), 'outbox.db')
  const outbox = await door.Outbox.open(config(path, 'http://127.0.0.1:9/', { enabled: false }))
  t.after(() => outbox.close({ timeoutMs: 0 }))
  const { id } = await outbox.enqueueHl7(hl7())
  const program = startProgram(t, [MAIN, 'admin', '--path', path, '--json', ...more])
  const { url } = JSON.parse(await program.line((line) => line.startsWith('{')))
  return { outbox, id, program, url, origin: new URL(url).origin }
}

const status = async (address, headers = {}) => (await fetch(address, { headers })).status

test('the token of the printed address is changed once for a cookie; without it there is nothing to be had', async (t) => {
  const { url, origin, id, program } = await served(t)
  assert.equal(new URL(url).hostname, '127.0.0.1')
  const places = ['/', '/api/session', '/api/messages', `/api/messages/${id}`, '/assets/app.js', '/nowhere', '/?token=', '/?token=x', `/?token=${'A'.repeat(43)}`]
  for (const place of places) assert.equal(await status(`${origin}${place}`), 403, place)

  const entered = await fetch(url)
  assert.equal(entered.status, 200)
  assert.equal(entered.headers.get('refresh'), '0; url=/')
  assert.match(entered.headers.get('set-cookie'), /; HttpOnly; SameSite=Strict/)
  const cookie = entered.headers.get('set-cookie').split(';')[0]
  assert.equal(await status(url), 403, 'a second time')
  assert.equal(await status(url, { cookie }), 403)
  assert.equal(await status(`${origin}/api/messages`, { cookie }), 200)
  assert.equal(await status(`${origin}/api/messages`, { cookie: `${cookie}x` }), 403)
  assert.equal((await fetch(`${origin}/`, { method: 'DELETE', headers: { cookie } })).status, 405)

  // A name of elsewhere that leads to this machine would let a page from there read what is shown.
  const other = await new Promise((resolve, reject) => {
    request(`${origin}/api/messages`, { headers: { cookie, host: 'evil.example' } }, (response) => resolve(response.resume().statusCode)).on('error', reject).end()
  })
  assert.equal(other, 403)

  program.child.kill('SIGTERM')
  assert.deepEqual(await program.end(), { code: 0, signal: null })
})

test('a command is recorded with the name that was given; to look is not to command', async (t) => {
  for (const [more, expected] of [[['--actor', 'fatima'], 200], [['--read-only'], 403]]) {
    const { url, origin, outbox, id } = await served(t, more)
    const cookies = [(await fetch(url)).headers.get('set-cookie').split(';')[0]]
    const session = await fetch(`${origin}/api/session`, { headers: { cookie: cookies[0] } })
    cookies.push(session.headers.get('set-cookie').split(';')[0])
    const { token, actor } = await session.json()
    if (expected === 200) assert.equal(actor, 'fatima')
    const { updatedAt } = await outbox.getMessage(id)
    const answer = await fetch(`${origin}/api/command`, {
      method: 'POST',
      headers: { 'cookie': cookies.join('; '), origin, 'content-type': 'application/json', 'x-hl7-outbox-token': token },
      body: JSON.stringify({ command: 'hold', messages: [{ id, updatedAt }], reason: 'r' }),
    })
    assert.equal(answer.status, expected)
    assert.equal((await outbox.getMessage(id)).status, expected === 200 ? 'HELD' : 'PENDING')
  }
})

test('a port that is no number is misspelt, and an outbox that does not exist is not made', async (t) => {
  for (const args of [['--port', 'x'], ['--port', '70000'], ['--path', join(folder(t), 'none.db')], ['--behaviour', '{}'], ['word']]) {
    const program = startProgram(t, [MAIN, 'admin', ...args])
    assert.equal((await program.end()).code, 2, args.join(' '))
  }
})
