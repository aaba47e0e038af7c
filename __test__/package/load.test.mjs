// The loader against packages laid out in a temporary folder: what it finds, what it refuses, and what it says.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const require = createRequire(import.meta.url)
const { platformTriple } = require(join(root, 'dist/facade/load.js'))
const triple = platformTriple()

/** A copy of the loader in a package of its own, without any binary. */
function installed(t, { version = '1.2.3', loaderFolder = 'dist/facade' } = {}) {
  const modules = join(mkdtempSync(join(tmpdir(), 'hl7-outbox-load-')), 'node_modules')
  t.after(() => rmSync(dirname(modules), { recursive: true, force: true }))
  const home = join(modules, 'hl7-outbox')
  mkdirSync(join(home, loaderFolder), { recursive: true })
  cpSync(join(root, 'dist/facade/load.js'), join(home, loaderFolder, 'load.js'))
  cpSync(join(root, 'dist/error.js'), join(home, loaderFolder, '../error.js'))
  writeFileSync(join(home, 'package.json'), JSON.stringify({ name: 'hl7-outbox', version }))
  return {
    modules,
    home,
    load: () => require(join(home, loaderFolder, 'load.js')).loadNative(),
    // A platform package whose main is plain JavaScript, so that no real binary is needed.
    addPlatformPackage(platformVersion, main) {
      const folder = join(modules, `hl7-outbox-${triple}`)
      mkdirSync(folder)
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: `hl7-outbox-${triple}`, version: platformVersion, main: 'main.js' }))
      writeFileSync(join(folder, 'main.js'), main)
    },
  }
}

test('without a binary the error names the platform, both places and the remedy', (t) => {
  const { load, home } = installed(t)
  assert.throws(load, (error) => {
    assert.equal(error.code, 'ERR_BINARY_MISSING')
    assert.ok(error.message.includes(triple))
    assert.ok(error.message.includes(`hl7-outbox.${triple}.node in ${home}`))
    assert.ok(error.message.includes(`package hl7-outbox-${triple}`))
    assert.match(error.hint, /--omit=optional.*another operating system.*build from source/)
    return true
  })
})

test('the platform package is found, and loaded once', (t) => {
  const { load, addPlatformPackage } = installed(t)
  addPlatformPackage('1.2.3', 'module.exports = { hello: 1 }')
  assert.deepEqual(load(), { hello: 1 })
  assert.equal(load(), load())
})

test('a platform package of another version is refused', (t) => {
  const { load, addPlatformPackage } = installed(t)
  addPlatformPackage('1.2.2', 'module.exports = {}')
  assert.throws(load, { code: 'ERR_BINARY_VERSION', message: /1\.2\.3.*1\.2\.2/ })
})

test('a binary that is there but does not load is not called missing', (t) => {
  const { load, home } = installed(t)
  writeFileSync(join(home, `hl7-outbox.${triple}.node`), 'not a binary')
  assert.throws(load, { code: 'ERR_BINARY_UNLOADABLE' })
})

test('a platform package that throws for want of a newer C library says so', (t) => {
  const { load, addPlatformPackage } = installed(t)
  addPlatformPackage('1.2.3', "throw new Error(\"version `GLIBC_2.99' not found\")")
  assert.throws(load, { code: 'ERR_BINARY_UNLOADABLE', hint: /C library is older/ })
})

test('a loader moved by a bundler points to withHl7Outbox', (t) => {
  const { home } = installed(t)
  // Webpack inlines the module into a file of its own; only the name changes here.
  cpSync(join(home, 'dist/facade/load.js'), join(home, 'dist/facade/bundle.js'))
  rmSync(join(home, 'dist/facade/load.js'))
  assert.throws(() => require(join(home, 'dist/facade/bundle.js')).loadNative(), { code: 'ERR_BINARY_MISSING', hint: /withHl7Outbox/ })
})

test('a platform without a binary is named, with the platforms that have one', (t) => {
  const { load } = installed(t)
  const arch = Object.getOwnPropertyDescriptor(process, 'arch')
  Object.defineProperty(process, 'arch', { ...arch, value: 's390x' })
  try {
    assert.throws(load, { code: 'ERR_PLATFORM_UNSUPPORTED', message: /s390x.*linux-x64-gnu.*win32-x64-msvc/ })
  } finally {
    Object.defineProperty(process, 'arch', arch)
  }
})
