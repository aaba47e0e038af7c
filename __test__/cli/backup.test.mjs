// `hl7-outbox backup` and `restore`, and backupOutbox: a copy of a file in use, and the way back.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, truncateSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'

import { hl7 } from '../support/messages.mjs'
import { by, config, door, folder, open, openPaused, reach, refused, root } from '../support/outbox.mjs'
import { startApp, startProgram } from '../support/processes.mjs'
import { receiver } from '../support/receiver.mjs'

const MAIN = join(root, 'dist', 'cli', 'main.js')
const isWindows = process.platform === 'win32'

async function cli(t, args, options) {
  const program = startProgram(t, [MAIN, ...args], options)
  const { code } = await program.end()
  return { code, out: program.out, err: program.err }
}

/** All control ids of a file, in the order in which they were stored; nothing is sent. */
async function controlIds(path) {
  const outbox = await door.Outbox.open({ path, dispatch: false })
  try {
    const ids = []
    for (let cursor; cursor !== null; ) {
      const page = await outbox.listMessages({ order: 'oldest', limit: 1000, ...(cursor === undefined ? {} : { cursor }) })
      ids.push(...page.items.map(({ controlId }) => controlId))
      cursor = page.nextCursor
    }
    return ids
  } finally {
    await outbox.close({ timeoutMs: 0 })
  }
}

/** Enqueues without a pause, in an application of its own; the ids that were resolved so far. */
async function busy(t, path, prefix) {
  const app = await startApp(t, config(path, undefined, {}, { dispatch: false, destinations: { malaffi: { url: 'http://127.0.0.1:9/' } } }))
  const resolved = []
  let going = true
  const loop = (async () => {
    for (let n = 0; going; n += 8) {
      const batch = Array.from({ length: 8 }, (_, k) => `${prefix}${String(n + k).padStart(6, '0')}`)
      await Promise.all(batch.map(async (control) => resolved.push((await app.call('enqueueHl7', hl7({ control, patient: `P-${control}` }))).controlId)))
    }
  })()
  return {
    resolved,
    stop: async () => {
      going = false
      await loop
      await app.call('stopOutbox')
    },
  }
}

test('a backup taken while two processes enqueue is sound and holds everything that was resolved before it began', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const writers = [await busy(t, path, 'A'), await busy(t, path, 'B')]
  const outbox = await open(t, undefined, {}, { path, dispatch: false })
  for (let n = 1; n <= 3; n += 1) {
    while (writers.some(({ resolved }) => resolved.length < n * 100)) await new Promise((resolve) => setImmediate(resolve))
    const before = writers.flatMap(({ resolved }) => [...resolved])
    const copy = join(here, `copy-${n}.db`)
    // The last one by the command, as a further process.
    const made = n < 3 ? await outbox.backupOutbox(copy) : JSON.parse((await cli(t, ['backup', copy, '--path', path, '--json'])).out)
    assert.equal(made.bytes, statSync(copy).size)
    if (!isWindows) assert.equal(statSync(copy).mode & 0o777, 0o600)
    const copied = await controlIds(copy)
    assert.equal(copied.length, made.messages)
    const held = new Set(copied)
    assert.deepEqual(before.filter((id) => !held.has(id)), [])
    // Each process stored its own in order: what is there has no gap.
    for (const prefix of ['A', 'B']) {
      const own = copied.filter((id) => id.startsWith(prefix)).map((id) => Number(id.slice(1)))
      assert.deepEqual(own.toSorted((a, b) => a - b), own.map((_, k) => k).slice(0, own.length), `${prefix}: a number is missing`)
    }
  }
  await Promise.all(writers.map((writer) => writer.stop()))
  assert.deepEqual(readdirSync(here).filter((name) => name.includes('.part-')), [])
})

test('what was delivered after a backup is pending again when it is put back, and the file that was there is kept', async (t) => {
  const taker = await receiver(t)
  const here = folder(t)
  const [path, copy] = [join(here, 'outbox.db'), join(here, 'copy.db')]
  const outbox = await openPaused(t, taker.url, {}, { path })
  const { id } = await outbox.enqueueHl7(hl7({ control: 'KEPT1' }))
  await outbox.backupOutbox(copy)
  await outbox.resumeDestination('malaffi', by)
  await reach(outbox, id, 'ACKNOWLEDGED')
  await outbox.enqueueHl7(hl7({ control: 'LATER' }))
  const inUse = await cli(t, ['restore', copy, '--path', path])
  assert.equal(inUse.code, 1)
  assert.equal(inUse.err, `error: the outbox is open in process ${process.pid} (ERR_IN_USE)\nhint: Stop the processes that use the outbox (the message names them if it can), then repeat the command.\n`)
  await outbox.close({ timeoutMs: 1000 })
  const { code, out, err } = await cli(t, ['restore', copy, '--path', path])
  assert.equal(code, 0, err)
  const kept = /^kept: (.+)$/m.exec(out)[1]
  assert.equal(out, `${path}: 1 message, 1 of them PENDING, ${(statSync(copy).size / 1024 / 1024).toFixed(1)} MiB\nkept: ${kept}\n`)
  assert.match(err, /^next: .*pauses every destination \(reason: restored\)/)
  assert.match(kept.slice(path.length), /^\.before-restore-\d{8}T\d{6}Z$/)
  assert.deepEqual([await controlIds(path), await controlIds(kept)], [['KEPT1'], ['KEPT1', 'LATER']])
  assert.equal(existsSync(`${path}.restoring`), false)
  if (!isWindows) assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a restore into a place without an outbox makes one, and --json tells what it did', async (t) => {
  const here = folder(t)
  const outbox = await open(t, undefined, {}, { dispatch: false })
  await outbox.enqueueHl7(hl7({ control: 'ONE' }))
  const [copy, path] = [join(here, 'copy.db'), join(here, 'new.db')]
  const { bytes } = await outbox.backupOutbox(copy)
  const { code, out } = await cli(t, ['restore', copy, '--path', path, '--json'])
  assert.deepEqual([code, JSON.parse(out)], [0, { path, bytes, messages: 1, pending: 1, keptAs: null }])
  assert.deepEqual(await controlIds(path), ['ONE'])
})

test('a backup never replaces anything unasked, and an error leaves nothing', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const outbox = await open(t, undefined, {}, { path, dispatch: false })
  const copy = join(here, 'copy.db')
  const first = await cli(t, ['backup', copy, '--path', path])
  assert.deepEqual([first.code, first.err], [0, ''])
  assert.match(first.out, new RegExp(`^${copy.replace(/[.\\]/g, '\\$&')}: 0 messages, [\\d.]+ MiB, checked and on disk after \\d+ ms\n$`))
  const bytes = readFileSync(copy)
  const again = await cli(t, ['backup', copy, '--path', path])
  assert.deepEqual(again, {
    code: 1,
    out: '',
    err: 'error: The name for the backup is taken. Nothing was written. (ERR_BACKUP_EXISTS)\nhint: Choose another name, or allow that the file is replaced (`replace: true`, `--force`).\n',
  })
  assert.ok(readFileSync(copy).equals(bytes))
  assert.equal((await cli(t, ['backup', copy, '--path', path, '--force'])).code, 0)
  mkdirSync(join(here, 'folder'))
  for (const [to, code] of [
    [path, 'ERR_OPTION'], [`${path}-wal`, 'ERR_OPTION'], [join(here, 'folder'), 'ERR_BACKUP_EXISTS'], [join(here, 'missing', 'copy.db'), 'ERR_BACKUP_FAILED'], ['/', 'ERR_OPTION'],
  ]) {
    await refused(() => outbox.backupOutbox(to, { replace: true }), code, to)
  }
  for (const wrong of [[], [1], ['x', 1], ['x', { force: true }], ['x', { replace: 1 }]]) await refused(() => outbox.backupOutbox(...wrong), 'ERR_OPTION')
  assert.deepEqual(readdirSync(here).filter((name) => !name.startsWith('outbox.db')), ['copy.db', 'folder'])
})

test('a backup that is killed leaves nothing under its name, and the next one removes what it left', async (t) => {
  const here = folder(t)
  const [path, copies] = [join(here, 'outbox.db'), join(here, 'copies')]
  mkdirSync(copies)
  const outbox = await open(t, undefined, {}, { path, dispatch: false })
  for (let n = 0; n < 4; n += 1) await outbox.enqueueHl7(hl7({ bytes: 12 << 20 }))
  const copy = join(copies, 'copy.db')
  const begun = new Promise((resolve) => {
    const watcher = watch(copies, () => resolve(watcher.close()))
  })
  const program = startProgram(t, [MAIN, 'backup', copy, '--path', path])
  await begun
  await program.kill()
  const [left, ...more] = readdirSync(copies)
  assert.match(left ?? 'nothing', /^copy\.db\.part-\d+$/)
  assert.deepEqual(more, [])
  const { messages } = await outbox.backupOutbox(copy)
  assert.deepEqual([messages, readdirSync(copies)], [4, ['copy.db']])
})

test('what is no sound backup is not put in the outbox’s place', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const outbox = await open(t, undefined, {}, { path, dispatch: false })
  await outbox.enqueueHl7Batch(Array.from({ length: 50 }, () => ({ message: hl7() })))
  const copy = join(here, 'copy.db')
  await outbox.backupOutbox(copy)
  await outbox.close()
  const cut = join(here, 'cut.db')
  copyFileSync(copy, cut)
  truncateSync(cut, statSync(cut).size / 2)
  const text = join(here, 'text.db')
  writeFileSync(text, 'an invented note\n')
  const before = readFileSync(path)
  const there = readdirSync(here)
  for (const [from, code] of [[cut, 'ERR_BACKUP_UNFIT'], [text, 'ERR_NOT_AN_OUTBOX'], [here, 'ERR_BACKUP_UNFIT'], [join(here, 'none.db'), 'ERR_BACKUP_UNFIT'], [path, 'ERR_BACKUP_UNFIT']]) {
    const { code: ended, out, err } = await cli(t, ['restore', from, '--path', path])
    assert.deepEqual([ended, out], [1, ''], from)
    assert.match(err, new RegExp(`^error: .+\\(${code}\\)\nhint: .+\n$`), from)
  }
  assert.ok(readFileSync(path).equals(before))
  assert.deepEqual(readdirSync(here), there)
})

test('an application that starts while a restore was cut off is told so, and makes no new file', async (t) => {
  const path = join(folder(t), 'outbox.db')
  writeFileSync(`${path}.restoring`, '')
  const { message } = await refused(() => door.Outbox.open(config(path, 'http://127.0.0.1:9/')), 'ERR_RESTORE_UNFINISHED')
  assert.match(message, /^A restore of this outbox began and did not end/)
  assert.equal(existsSync(path), false)
})

test('misspelt backups and restores end with 2 and do nothing', async (t) => {
  const here = folder(t)
  const path = join(here, 'outbox.db')
  const wrong = [['backup'], ['backup', 'x'], ['backup', 'x', '--path', path], ['backup', 'a', 'b', '--path', path], ['backup', 'x', '--misspelt'], ['restore'], ['restore', 'x'], ['restore', 'x', '--force', '--path', path]]
  await Promise.all(
    wrong.map(async (args) => {
      const { code, out, err } = await cli(t, args, { cwd: here })
      assert.deepEqual([code, out], [2, ''], args.join(' '))
      assert.match(err, /^error: .+\nhint: .+\n$/)
    }),
  )
  assert.deepEqual(readdirSync(here), [])
})
