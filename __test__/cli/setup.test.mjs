// `init`, `completions`, and the commands that run until a signal ends them.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { config, folder, open } from '../support/outbox.mjs'
import { MAIN, Names, run, same } from './snapshot.mjs'

const require = createRequire(import.meta.url)
const ENDS = process.platform === 'win32' ? 'SIGINT' : 0

test('init writes what starts the outbox, leaves what is there, and overwrites only when told', async (t) => {
  const cwd = folder(t)
  const names = new Names().set(cwd, 'folder').set(process.execPath, 'node')
  const args = ['init', '--path', '/srv/outbox/outbox.db', '--url', 'https://hl7.clinic.example/receive']
  same('init', await run(t, args, { cwd }), names)
  const written = Object.fromEntries(readdirSync(cwd).sort().map((name) => [name, readFileSync(join(cwd, name), 'utf8')]))
  assert.deepEqual(Object.keys(written), ['hl7-outbox-worker.cmd', 'hl7-outbox.config.json', 'hl7-outbox.ecosystem.config.cjs', 'hl7-outbox.service', 'instrumentation.ts'])
  const all = Object.entries(written).map(([name, text]) => `==> ${name}\n${text.replaceAll('\r', '')}`)
  same('init-files', { args: ['init'], code: 0, out: all.join('\n'), err: '' }, names)

  assert.deepEqual(JSON.parse(written['hl7-outbox.config.json']), { path: '/srv/outbox/outbox.db', destinations: { malaffi: { url: 'https://hl7.clinic.example/receive', auth: { bearer: 'env:MALAFFI_API_KEY' } } } })
  assert.deepEqual(require(join(cwd, 'hl7-outbox.ecosystem.config.cjs')).apps[0].args, ['worker', '--config', join(cwd, 'hl7-outbox.config.json')])
  assert.ok(written['hl7-outbox-worker.cmd'].split('\n').slice(0, -1).every((line) => line.endsWith('\r')))

  same('init-again', await run(t, args, { cwd }), names)
  writeFileSync(join(cwd, 'instrumentation.ts'), '// of the application\n')
  same('init-left', await run(t, args, { cwd }), names)
  assert.equal(readFileSync(join(cwd, 'instrumentation.ts'), 'utf8'), '// of the application\n')
  same('init-force', await run(t, [...args, '--force', '--json'], { cwd }), names)
  assert.equal(readFileSync(join(cwd, 'instrumentation.ts'), 'utf8'), written['instrumentation.ts'])
  assert.equal(readdirSync(cwd).length, 5, 'nothing half is left beside them')
})

test('init takes a folder with blanks and percent signs, and its configuration opens', async (t) => {
  const cwd = join(folder(t), 'a 100% "clinic"'.replaceAll(process.platform === 'win32' ? '"' : '\0', ''))
  mkdirSync(join(cwd, 'src'), { recursive: true })
  const done = await run(t, ['init', cwd, '--only', 'config,next,systemd,windows', '--url', 'mllp://127.0.0.1:9', '--path', join(cwd, 'outbox.db'), '--destination', 'lab'])
  assert.deepEqual([done.code, readdirSync(join(cwd, 'src'))], [0, ['instrumentation.ts']])
  assert.match(readFileSync(join(cwd, 'hl7-outbox.service'), 'utf8'), /^WorkingDirectory=.*a 100%% /m)
  assert.match(readFileSync(join(cwd, 'hl7-outbox-worker.cmd'), 'utf8'), /^cd \/d ".*a 100%% /m)
  const outbox = await open(t, undefined, {}, { ...JSON.parse(readFileSync(join(cwd, 'hl7-outbox.config.json'), 'utf8')), dispatch: false })
  assert.equal((await outbox.enqueueHl7(hl7())).destination, 'lab')
})

test('the completions of each shell are what was agreed', async (t) => {
  for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
    const said = await run(t, ['completions', shell])
    assert.deepEqual([said.code, said.err], [0, ''])
    same(`completions-${shell}`, said)
  }
})

test('status --watch goes on until a signal, and ends with 0', async (t) => {
  const cwd = folder(t)
  const path = join(cwd, 'outbox.db')
  writeFileSync(join(cwd, 'hl7-outbox.config.json'), JSON.stringify(config(path, 'http://127.0.0.1:9/')))
  await open(t, undefined, {}, { path, dispatch: false })
  const end = (out, child) => out.split('\n').length > 2 && child.kill('SIGINT')
  const watched = await run(t, ['status', '--watch', '--json'], { cwd, each: end })
  assert.deepEqual([watched.code, watched.err], [ENDS, ''])
  const lines = watched.out.trimEnd().split('\n').map((line) => JSON.parse(line))
  assert.deepEqual([lines.length >= 2, lines[0].health.status, Object.keys(lines[0])], [true, 'degraded', ['at', 'health', 'stats']])
})

test('tail follows what happens, a consumer goes on where it was, and a signal ends it with 0', async (t) => {
  const cwd = folder(t)
  const path = join(cwd, 'outbox.db')
  writeFileSync(join(cwd, 'hl7-outbox.config.json'), JSON.stringify(config(path, 'http://127.0.0.1:9/')))
  const outbox = await open(t, undefined, {}, { path, dispatch: false })
  await outbox.enqueueHl7(hl7({ control: 'FIRST' }))
  const follow = (args, each) => run(t, ['tail', '--json', '--consumer', 'night', ...args], { cwd, each })
  const seen = ({ out }) => out.trimEnd().split('\n').map((line) => JSON.parse(line).controlId)
  let next
  const live = await follow([], (out, child) => {
    if (out.includes('SECOND')) child.kill('SIGINT')
    else next ??= outbox.enqueueHl7(hl7({ control: 'SECOND' }))
  })
  await next
  assert.deepEqual([live.code, live.err, seen(live)], [ENDS, '', ['FIRST', 'SECOND']])
  await outbox.enqueueHl7(hl7({ control: 'THIRD' }))
  // The change at which a reader ended is told again.
  const after = await follow([], (out, child) => out.includes('THIRD') && child.kill('SIGINT'))
  assert.equal(seen(after).at(-1), 'THIRD')
  assert.ok(!seen(after).includes('FIRST'))
  assert.ok(MAIN.endsWith('main.js'))
})
