// `hl7-outbox doctor`: what it finds, what it says to do, and that it changes nothing.
import assert from 'node:assert/strict'
import { copyFileSync, linkSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, folder, open, openPaused, root, until } from '../support/outbox.mjs'
import { startApp, startProgram } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')
const isWindows = process.platform === 'win32'
const require = createRequire(import.meta.url)
const checks = require(join(root, 'dist', 'cli', 'doctor', 'file.js'))

async function cli(t, args, options) {
  const program = startProgram(t, [MAIN, 'doctor', ...args], options)
  const { code } = await program.end()
  return { code, out: program.out, err: program.err }
}

/** The findings by check, `state: message`. */
async function findings(t, args, options) {
  const { code, out, err } = await cli(t, [...args, '--json'], options)
  assert.equal(err, '')
  const { state, findings: all } = JSON.parse(out)
  assert.equal(code, { ok: 0, warning: 3, error: 4 }[state], out)
  for (const { remedy, state: own } of all) assert.equal(remedy === null, own === 'ok')
  return Object.fromEntries(all.map(({ check, state: own, message }) => [check, `${own}: ${message}`]))
}

/** Everything in a folder, byte for byte. */
const whole = (path) => readdirSync(path).sort().map((name) => [name, statSync(join(path, name)).isFile() ? readFileSync(join(path, name)) : 'no file'])

/** A closed outbox with messages. */
async function closed(t, path, messages = 200) {
  const outbox = await openPaused(t, 'http://127.0.0.1:9/', {}, { path })
  await outbox.enqueueHl7Batch(Array.from({ length: messages }, (_, n) => ({ message: hl7({ patient: `P-${n}` }) })))
  await outbox.close()
}

test('all is well with an application that delivers; nothing of the doctor’s reaches the receiver', async (t) => {
  const taker = await receiver(t)
  const here = folder(t)
  const [path, file] = [join(here, 'outbox.db'), join(here, 'settings.json')]
  writeFileSync(file, JSON.stringify(config(path, taker.url)))
  const app = await startApp(t, config(path, taker.url))
  const { id } = await app.call('enqueueHl7', hl7())
  await until(await open(t, taker.url, {}, { path, dispatch: false }), async () => (await app.call('getMessage', id)).status === 'ACKNOWLEDGED')
  const { code, out, err } = await cli(t, ['--config', file, '--full'])
  assert.deepEqual([code, err], [0, ''], out)
  const steady = out
    .replace(/since .*Z/, 'since THEN')
    .replace(/[\d.]+ (MiB|GiB|TiB) free/, 'N free')
    .replace(/ [\d.]+ MiB\n/g, ' N MiB\n')
    .replace(/\d+ ms/g, 'N ms')
    .replace(/sqlite( +)[\d.]+/, 'sqlite$1V')
    .replace(/on \S+, since/, 'on HOST, since')
    .replaceAll(String(app.pid), 'APP')
    .replaceAll(String(process.pid), 'TEST')
    .replace(/open in (APP, TEST|TEST, APP)/, 'open in APP, TEST')
  assert.equal(
    steady,
    [
      path,
      'ok       directory      local and writable',
      'ok       file           an outbox of N MiB',
      'ok       rights         its owner’s only',
      'ok       log            N MiB',
      'ok       processes      open in APP, TEST',
      'ok       dispatcher     process APP on HOST, since THEN',
      'ok       contents       sound; read in N ms',
      'ok       schema         2',
      'ok       bodies         every stored message is what was stored',
      'ok       messages       ACKNOWLEDGED 1',
      'ok       clock          no stored time is in the future',
      'ok       leftovers      none',
      'ok       space          N free',
      'ok       sqlite         V',
      'ok       configuration  1 destination',
      `ok       malaffi        127.0.0.1:${taker.port} answers in N ms; no message was sent`,
      '',
    ].join('\n'),
  )
  assert.equal((await taker.received()).length, 1)
})

test('what cannot be opened is named, and not a byte of it or beside it changes', async (t) => {
  const here = folder(t)
  const at = (name) => join(here, name)
  await closed(t, at('outbox.db'))
  const sound = readFileSync(at('outbox.db'))
  const damaged = Buffer.from(sound)
  damaged.fill(0xa5, 4096 * 3, 4096 * 6)
  const flipped = Buffer.from(sound)
  flipped[flipped.lastIndexOf('PID|') + 6] ^= 1
  const foreign = Buffer.from(sound)
  foreign.writeUInt32BE(0, 68)
  const newer = Buffer.from(sound)
  newer.writeUInt32BE(99, 60)
  const contents = { 'damaged.db': damaged, 'flipped.db': flipped, 'foreign.db': foreign, 'newer.db': newer, 'cut.db': sound.subarray(0, sound.length / 2), 'short.db': sound.subarray(0, 60), 'text.db': 'an invented note\n', 'empty.db': '', 'emptied.db': '', 'emptied.db-wal': 'a log', 'unfinished.db': sound, 'unfinished.db.restoring': '' }
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(at(name), bytes, { mode: 0o600 })
  mkdirSync(at('folder.db'))
  const links = isWindows ? [] : [['link.db', 'file', /^error: it is a symbolic link$/], ['twin.db', 'rights', /^error: the file has a second name/]]
  if (!isWindows) {
    symlinkSync(at('outbox.db'), at('link.db'))
    copyFileSync(at('outbox.db'), at('twin.db'))
    linkSync(at('twin.db'), at('second-name.db'))
  }
  const before = whole(here)
  const looks = [
    ['damaged.db', 'contents', /^error: it (is damaged: .|cannot be read \(SQLite 11\)$)/],
    ['flipped.db', 'bodies', /^error: 1 stored message is not what was stored$/],
    ['foreign.db', 'file', /^error: it is a SQLite database, but no outbox; it was not touched$/],
    ['newer.db', 'schema', /^ok: 99$/],
    ['cut.db', 'file', /^error: it was cut off: \d+ of \d+ bytes are there$/],
    ['short.db', 'file', /^error: it is a SQLite database/],
    ['text.db', 'file', /^error: it is no outbox, or its beginning is damaged/],
    ['empty.db', 'file', /^warning: it is empty/],
    ['emptied.db', 'file', /^error: it is empty, but has a log/],
    ['unfinished.db', 'restore', /^error: a restore began and did not end/],
    ['folder.db', 'file', /^error: it is a directory$/],
    ['none.db', 'file', /^error: there is no file$/],
    ['none/none.db', 'directory', /^error: it is missing$/],
    ...links,
  ]
  await Promise.all(
    looks.map(async ([name, check, expected]) => {
      const found = await findings(t, ['--full', '--offline', '--path', at(name)])
      assert.match(found[check] ?? 'nothing', expected, name)
    }),
  )
  assert.deepEqual(whole(here), before)
})

test('a process that was killed leaves a log, and one that is stopped is named; the doctor folds nothing and waits for nobody', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const app = await startApp(t, config(path, 'http://127.0.0.1:9/'))
  await app.call('pauseDestination', 'malaffi', by)
  for (let n = 0; n < 20; n += 1) await app.call('enqueueHl7', hl7())
  if (!isWindows) {
    app.child.kill('SIGSTOP')
    const stopped = await findings(t, ['--offline', '--path', path])
    if (process.platform === 'linux') assert.equal(stopped.processes, `warning: process ${app.pid} has it open and is stopped`)
    assert.match(stopped.contents, /^ok: sound/)
    app.child.kill('SIGCONT')
  }
  await app.kill()
  const names = ['outbox.db', 'outbox.db-wal']
  const before = names.map((name) => readFileSync(join(here, name)))
  const found = await findings(t, ['--full', '--offline', '--config', configFile(here, path)])
  assert.match(found.dispatcher, /^warning: no process sends/)
  assert.equal(found.processes, 'ok: none has it open')
  assert.equal(found.messages, 'ok: PENDING 20')
  assert.equal(found.leftovers, 'ok: 1 of processes that were killed, which the next start removes')
  assert.equal(found.malaffi, 'warning: it is paused (a test)')
  assert.deepEqual(names.map((name) => readFileSync(join(here, name))), before)
})

function configFile(here, path, url = 'http://127.0.0.1:9/', destination = {}) {
  const file = join(here, 'settings.json')
  writeFileSync(file, JSON.stringify(config(path, url, destination)))
  return file
}

test('destinations and configuration are tried as the application would use them, with what was changed at run time', async (t) => {
  const taker = await receiver(t)
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const outbox = await open(t, 'http://127.0.0.1:9/', {}, { path, dispatch: false })
  const file = configFile(here, path)
  assert.equal((await findings(t, ['--config', file])).malaffi, 'warning: 127.0.0.1:9: connect-refused')
  await outbox.configureDestination('malaffi', { url: taker.url }, by)
  const changed = await findings(t, ['--config', file])
  assert.match(changed.malaffi, new RegExp(`^ok: 127\\.0\\.0\\.1:${taker.port} answers`))
  assert.equal(changed.configuration, 'ok: 1 destination, with changes made at run time')
  await outbox.resetDestination('malaffi', by)
  // A port that takes no connection within the time: nothing of ours may wait longer.
  const black = await findings(t, ['--config', configFile(here, path, 'mllp://192.0.2.1:2575', { allowPlaintext: true }), '--timeout-ms', '300'])
  assert.match(black.malaffi, /^warning: 192\.0\.2\.1:2575: (connect-timeout|no-route|connect-refused|connect-failed)$/)
  const tls = { certFile: join(here, 'none.pem'), keyFile: join(here, 'none.key') }
  assert.match((await findings(t, ['--config', configFile(here, path, 'https://hl7.example/', { tls })])).malaffi, /^error: `destinations\.malaffi\.tls\.certFile` names a file that cannot be read/)
  assert.equal((await findings(t, ['--config', configFile(here, path, taker.url, { enabled: false })])).malaffi, 'ok: disabled: messages for it wait')
  for (const [text, message] of [['{', `error: ${file} is not JSON`], ['{"misspelt":1}', /^error: .*misspelt/], [JSON.stringify({ destinations: { a: { url: 'ftp://x' } } }), /^error: `destinations\.a\.url` must begin with/]]) {
    writeFileSync(file, text)
    const found = await findings(t, ['--config', file, '--path', path])
    if (typeof message === 'string') assert.equal(found.configuration, message)
    else assert.match(found.configuration, message)
  }
  assert.match((await findings(t, ['--path', path])).configuration, /^warning: no destination is configured here/)
})

test('what tests cannot set up is judged from what the system would say of it', () => {
  const owned = { bytes: 8192, isLink: false, names: 1, mode: 0o600, uid: 7, readable: true, writable: true }
  const place = { exists: true, isNetwork: false, writable: true, mode: 0o700, uid: 7, freeBytes: 2 ** 40, totalBytes: 2 ** 41 }
  const users = { openBy: [], left: [], unreadable: false, led: true, beat: { pid: 1, host: 'h', since: 0, at: 1_000_000 } }
  const sound = { directory: place, kind: 'outbox', file: owned, header: { schema: 1, pageBytes: 4096, pages: 2 }, log: null, index: null, journal: null, users, restoring: false, contents: null }
  const state = (check, change, ...more) => {
    const found = [checks[check]({ ...sound, ...change }, ...more)].flat()
    return found.map((each) => `${each.state}: ${each.message}`).at(-1)
  }
  assert.match(state('directory', { directory: { ...place, isNetwork: true } }), /^error: it is on a network file system/)
  assert.match(state('directory', { directory: { ...place, writable: false } }), /^error: this user cannot make files/)
  assert.equal(state('directory', { directory: { ...place, mode: 0o777 } }), 'warning: other users may write in it (mode 0777)')
  assert.equal(state('directory', { directory: { ...place, mode: null, writable: null } }), 'ok: local and writable')
  assert.equal(state('file', { file: { ...owned, writable: false } }), 'error: this user cannot read and write the file, which belongs to user 7')
  assert.match(state('file', { log: { ...owned, mode: 0o644 } }), /^warning: other users may use its log \(mode 0644\)/)
  assert.match(state('file', { kind: 'unreadable' }), /^error: this user cannot read it$/)
  assert.match(state('file', { kind: 'other' }), /^error: it is no file but a pipe/)
  assert.match(state('log', { log: { ...owned, bytes: 100 * 2 ** 20 } }), /^warning: 100 MiB: it cannot be folded back/)
  assert.match(state('log', { journal: owned }), /^warning: a rollback journal/)
  assert.match(state('processes', { users: { ...users, unreadable: true } }), /^warning: some marks/)
  assert.equal(state('dispatcher', {}, 1_010_000), 'warning: process 1 on h has been silent for 10 s')
  assert.equal(state('dispatcher', {}, 1_002_000), 'ok: process 1 on h, since 1970-01-01T00:00:00.000Z')
  assert.match(state('space', { directory: { ...place, freeBytes: 2 ** 20 } }), /^error: 1\.0 MiB free: new messages are refused$/)
  assert.match(state('space', { directory: { ...place, freeBytes: 2 ** 27 } }), /^warning: 128 MiB free$/)
})

test('a clock that has gone back, and copies that were left, are told', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  await closed(t, path, 1)
  writeFileSync(`${path}.part-4000000000`, 'half')
  writeFileSync(`${path}.before-restore-20300101T000000Z`, 'kept')
  const found = await findings(t, ['--offline', '--path', path])
  assert.equal(found.leftovers, 'warning: unfinished copies: outbox.db.part-4000000000')
  const { contents } = require(join(root, 'dist', 'cli', 'doctor', 'contents.js'))
  const inside = { schema: 1, tooNew: false, faults: [], changedBodies: null, checkMs: 1, messages: {}, destinations: [], latest: 100_000, failed: null, locked: false }
  const last = (change) => contents({ schemaKnown: 1, contents: { ...inside, ...change } }, 10_000).at(-1)
  assert.match(last({}).message, /^the newest stored time is 90 s in the future/)
  assert.match(last({ locked: true, failed: 'SQLite 5' }).message, /^another process locks it/)
  assert.match(last({ tooNew: true, schema: 9 }).message, /^9; this version knows 1/)
  truncateSync(path, 0)
  assert.match((await findings(t, ['--offline', '--path', path])).file, /^warning: it is empty/)
})

test('a misspelt doctor ends with 2', async (t) => {
  const here = folder(t)
  const wrong = [[], ['x', '--path', 'x'], ['--timeout-ms', 'soon', '--path', 'x'], ['--timeout-ms', '0', '--path', 'x'], ['--force', '--path', 'x'], ['--config', join(here, 'none.json')]]
  await Promise.all(
    wrong.map(async (args) => {
      const { code, out, err } = await cli(t, args, { cwd: here })
      assert.deepEqual([code, out], [2, ''], args.join(' '))
      assert.match(err, /^error: .+\nhint: .+\n$/)
    }),
  )
  assert.deepEqual(readdirSync(here), [])
})
