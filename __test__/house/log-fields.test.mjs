// What may stand in a log line: an allow-list that the log itself keeps to, and that every call is compared with here. A field
// that is not on it would be left out in silence; a value put into the words would get past it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import { repositoryFiles } from './files.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const list = readFileSync(join(root, 'crates/outbox-napi/src/log/line.rs'), 'utf8')
const allowed = new Set([.../FIELDS: &\[&str\] = &\[([^\]]*)\]/.exec(list)[1].matchAll(/"(\w+)"/g)].map(([, name]) => name))

/** Words with values in them, each with the reason why the value is known. */
const wordsWithValues = {
  'the dispatcher is in trouble: {}': 'an OutboxError is made of names, numbers and positions only (outbox-core, error.rs)',
}

/** The arguments of every call of tracing's macros, as text. */
function calls() {
  const found = []
  for (const path of repositoryFiles(root).filter((each) => /^crates\/outbox-(core|sqlite|transport|napi)\/src\/.*\.rs$/.test(each))) {
    const text = readFileSync(join(root, path), 'utf8')
    for (const match of text.matchAll(/\b(?:tracing::)?(?:trace|debug|info|warn|error|event)!\(/g)) {
      let depth = 1
      let end = match.index + match[0].length
      let quoted = false
      while (depth > 0) {
        const letter = text[end++]
        if (letter === '"' && text[end - 2] !== '\\') quoted = !quoted
        else if (!quoted) depth += letter === '(' ? 1 : letter === ')' ? -1 : 0
      }
      found.push({ place: `${path}:${text.slice(0, match.index).split('\n').length}`, args: text.slice(match.index + match[0].length, end - 1) })
    }
  }
  return found
}

/** Splits at commas outside of brackets and quotes. */
function split(args) {
  const parts = ['']
  let depth = 0
  let quoted = false
  for (const letter of args) {
    if (letter === '"') quoted = !quoted
    if (!quoted) depth += '([{'.includes(letter) ? 1 : ')]}'.includes(letter) ? -1 : 0
    if (letter === ',' && depth === 0 && !quoted) parts.push('')
    else parts[parts.length - 1] += letter
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

const found = calls()

test('every field of every log line is on the allow-list', () => {
  assert.ok(found.length > 20, 'the calls are found')
  const used = new Set(['message'])
  for (const { place, args } of found) {
    const parts = split(args)
    const words = parts.findIndex((part) => part.startsWith('"'))
    assert.notEqual(words, -1, `${place} has words`)
    for (const part of parts.slice(0, words)) {
      const name = /^[%?]?(\w+)/.exec(part)[1]
      assert.ok(allowed.has(name), `${place}: \`${name}\` is not on the list`)
      used.add(name)
    }
  }
  assert.deepEqual([...allowed].filter((name) => !used.has(name)), [], 'a name that nothing uses')
})

test('no value is put into the words of a line', () => {
  for (const { place, args } of found) {
    const parts = split(args)
    const words = parts.find((part) => part.startsWith('"')).slice(1, -1)
    if (words.includes('{')) assert.ok(words in wordsWithValues, `${place}: ${words}`)
  }
})
