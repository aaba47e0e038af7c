// The files of the page: small, whole, from nowhere else, and in every package.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test from 'node:test'
import { gzipSync } from 'node:zlib'

import { openPaused, root } from '../support/outbox.mjs'
import { desk } from './desk.mjs'

const folder = join(root, 'dist', 'admin', 'page')
const COMPRESSED_BYTES_MAX = 150 * 1024

test('the whole page is smaller than 150 KB, compressed', async (t) => {
  const shell = await (await desk(await openPaused(t)).browser().request('')).text()
  const files = readdirSync(folder)
  assert.deepEqual(files.sort(), ['app.css', 'app.js'])
  const bytes = [Buffer.from(shell), ...files.map((file) => readFileSync(join(folder, file)))].reduce((sum, each) => sum + gzipSync(each).length, 0)
  assert.ok(bytes < COMPRESSED_BYTES_MAX, `${bytes} bytes`)
})

test('it holds no address of elsewhere and runs no text as code', () => {
  const text = readFileSync(join(folder, 'app.js'), 'utf8')
  const addresses = [...text.matchAll(/https?:\/\/[^"'`\s)]+/g)].map(([address]) => address)
  assert.deepEqual(addresses.filter((address) => !address.startsWith('http://www.w3.org/')), [], 'names of namespaces are no addresses')
  assert.doesNotMatch(text, /\beval\(|new Function\(/)
  assert.doesNotMatch(readFileSync(join(folder, 'app.css'), 'utf8'), /url\(|@import/)
})

test('its files are kept by their version, and nothing else can be had by name', async (t) => {
  const browser = desk(await openPaused(t)).browser()
  for (const [name, type] of [['app.js', 'text/javascript'], ['app.css', 'text/css']]) {
    const response = await browser.request(`assets/${name}`)
    assert.match(response.headers.get('content-type'), new RegExp(`^${type}`))
    assert.match(response.headers.get('cache-control'), /immutable/)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), readFileSync(join(folder, name)))
  }
  for (const name of ['', '..', '%2e%2e%2findex.js', '../index.js', 'constructor', 'app.js/x']) {
    assert.equal((await browser.request(`assets/${name}`)).status, 404, name)
  }
})

test('hl7-outbox/admin is one module for import and require', async () => {
  const required = createRequire(import.meta.url)('../../dist/admin/index.js')
  const imported = await import('../../dist/admin/index.js')
  assert.deepEqual(Object.keys(required), ['adminRoute'])
  assert.equal(imported.adminRoute, required.adminRoute)
  assert.equal(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports['./admin'].default, './dist/admin/index.js')
})
