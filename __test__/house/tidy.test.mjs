// Small rules that keep the tree clean. A rule that needs an exception gets one here, with its reason.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import { repositoryFiles } from './files.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const linesMax = 500
/** path -> why it may be longer. */
const longFiles = { 'index.d.ts': 'the public surface, which an editor shows in one place' }

const code = new Set(['.rs', '.ts', '.mts', '.cts', '.tsx', '.js', '.mjs', '.cjs', '.sql', '.sh'])
const generated = new Set(['package-lock.json', 'Cargo.lock', 'native.d.ts'])
const binary = new Set(['.png', '.jpg', '.gif', '.ico', '.pdf', '.db', '.tgz', '.gz', '.zip', '.node', '.hl7', '.bin', '.woff2'])

const files = repositoryFiles(root)
const texts = files.filter((path) => !binary.has(extname(path))).map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
const written = texts.filter(({ path }) => !generated.has(basename(path)))

const offenders = (list, pattern) =>
  list.flatMap(({ path, text }) => text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])))

// The patterns are put together so that this file does not find itself.
const word = (...parts) => parts.join('')

test(`no source file has more than ${linesMax} lines without a reason`, () => {
  const long = written.filter(({ path, text }) => code.has(extname(path)) && text.split('\n').length - 1 > linesMax).map(({ path }) => path)
  assert.deepEqual(long.sort(), Object.keys(longFiles).sort())
})

test('nothing is left for later in the code', () => {
  assert.deepEqual(offenders(written, new RegExp(`\\b(${word('TO', 'DO')}|${word('FIX', 'ME')}|${word('XX', 'X')})\\b`)), [])
  assert.deepEqual(offenders(written.filter(({ path }) => path.endsWith('.rs')), new RegExp(`\\b(${word('to', 'do')}|${word('unimpl', 'emented')})!`)), [])
})

test('no test is singled out or left out', () => {
  const scripts = written.filter(({ path }) => ['.mjs', '.js', '.cjs', '.ts'].includes(extname(path)))
  assert.deepEqual(offenders(scripts, /\b(test|it|describe|suite|t|context)\.(only|skip|todo)\(/), [])
  assert.deepEqual(offenders(scripts, /\b(only|skip|todo): (true|['"`])/), [])
  assert.deepEqual(offenders(written.filter(({ path }) => path.endsWith('.rs')), /#\[ignore\]/), [], 'an ignored test says why: #[ignore = "…"]')
})

test('no file names a folder of one machine', () => {
  assert.deepEqual(offenders(texts, /(?:\/home\/|\/Users\/|[A-Z]:\\+Users\\+)[A-Za-z]/), [])
  const here = [root, homedir()].filter((path) => path.length > 1)
  for (const path of here) assert.deepEqual(offenders(texts, new RegExp(`${path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![A-Za-z0-9_-])`)), [], path)
})

test('npm lock files carry no download addresses', () => {
  const locks = texts.filter(({ path }) => basename(path) === 'package-lock.json')
  assert.ok(locks.length > 0)
  assert.deepEqual(offenders(locks, /"resolved": "http/), [])
})

test('Cargo.lock knows one registry, and nothing from anywhere else', () => {
  const lock = texts.find(({ path }) => path === 'Cargo.lock')
  const sources = new Set([...lock.text.matchAll(/^source = "(.*)"$/gm)].map((match) => match[1]))
  assert.equal(sources.size, 1)
  assert.match([...sources][0], /^registry\+/)
})

test('every text file ends with a line break and has no trailing blanks', () => {
  const checked = written.filter(({ path }) => extname(path) !== '.snap')
  assert.deepEqual(checked.filter(({ text }) => text !== '' && !text.endsWith('\n')).map(({ path }) => path), [])
  assert.deepEqual(offenders(checked.filter(({ path }) => !path.endsWith('.md')), /[ \t]+\r?$/), [])
})
