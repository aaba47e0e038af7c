// The four faces of the public door show the same names: CommonJS, ESM, the types, and the stub for edge runtimes.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import ts from 'typescript'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const require = createRequire(import.meta.url)

const cjs = require(join(root, 'index.js'))
const esm = await import('../../index.mjs')
const stub = require(join(root, 'dist', 'unsupported.js'))

const names = (module) => Object.keys(module).filter((name) => name !== 'default' && name !== 'module.exports').sort()

/** The names of index.d.ts that exist at run time; types alone do not count. */
function typedNames() {
  const program = ts.createProgram([join(root, 'index.d.ts')], { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16, types: ['node'], skipLibCheck: true })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(join(root, 'index.d.ts'))
  const symbol = source && checker.getSymbolAtLocation(source)
  assert.ok(symbol, 'index.d.ts exists and is a module')
  return checker
    .getExportsOfModule(symbol)
    .map((each) => (each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each))
    .filter((each) => each.flags & ts.SymbolFlags.Value)
    .map((each) => each.name)
    .sort()
}

test('ESM exports the names of CommonJS', () => assert.deepEqual(names(esm), names(cjs)))
test('index.d.ts declares the names of CommonJS', () => assert.deepEqual(typedNames(), names(cjs)))
test('the stub for edge runtimes exports the names of CommonJS', () => assert.deepEqual(names(stub), names(cjs)))

test('no name of the door is undefined', () => {
  for (const name of names(cjs)) assert.equal(typeof cjs[name], 'function', name)
})

test('ESM and CommonJS are one instance', () => {
  for (const name of names(cjs)) assert.equal(esm[name], cjs[name], name)
})

test('every name of the stub answers ERR_UNSUPPORTED_RUNTIME when called', async () => {
  for (const name of names(stub).filter((each) => each !== 'Hl7OutboxError' && each !== 'Outbox')) {
    await assert.rejects(async () => stub[name](), { name: 'Hl7OutboxError', code: 'ERR_UNSUPPORTED_RUNTIME' }, name)
  }
  await assert.rejects(stub.Outbox.open(), { code: 'ERR_UNSUPPORTED_RUNTIME' })
  assert.throws(() => new stub.Outbox(), { code: 'ERR_UNSUPPORTED_RUNTIME' })
})

test('an edge runtime, a worker and a browser get the stub', async () => {
  const manifest = require(join(root, 'package.json'))
  const keys = Object.keys(manifest.exports['.'])
  for (const condition of ['edge-light', 'workerd', 'browser']) {
    assert.equal(manifest.exports['.'][condition], './dist/unsupported.js')
    assert.ok(keys.indexOf(condition) < keys.indexOf('import'), `${condition} is asked before import`)
  }
})
