// The reference pages that are written from tables say what the tables say.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const read = (...path) => readFileSync(join(root, ...path), 'utf8')

test('docs/errors.md, docs/checks.md, docs/outcomes.md and docs/commands.md are what the tables in the code say', async () => {
  await promisify(execFile)(process.execPath, [join(root, 'scripts', 'generate-docs.mjs'), '--check'], { cwd: root })
})

test('docs/outcomes.md lists every warning that a message can have', () => {
  const page = read('docs', 'outcomes.md')
  const [, ofAnswers] = /mod warning \{(.*?)\n\}/s.exec(read('crates', 'outbox-core', 'src', 'acknowledgement', 'verdict.rs'))
  const warnings = [...ofAnswers.matchAll(/"([a-z-]+)"/g), ...read('crates', 'outbox-core', 'src', 'enqueue.rs').matchAll(/Some\("([a-z-]+)"\)/g)].map(([, word]) => word)
  assert.ok(warnings.length > 5)
  assert.deepEqual(warnings.filter((word) => !page.includes(`| \`${word}\` |`)), [])
})

test('docs/states.md draws every edge of the transition table and no other', () => {
  const source = read('crates', 'outbox-core', 'src', 'state.rs')
  const name = (state) => (state === undefined ? '[*]' : state.toUpperCase())
  const table = [...source.matchAll(/^ {4}edge\((?:None|Some\(State::(\w+)\)), State::(\w+), "([^"]+)"\)/gm)].map(([, from, to, edge]) => `${name(from)} --> ${name(to)}: ${edge}`)
  const drawn = [...read('docs', 'states.md').matchAll(/^ {4}(\S+ --> \S+: .+)$/gm)].map(([, edge]) => edge)
  assert.ok(table.length > 10)
  assert.deepEqual(drawn.sort(), table.sort())
})
