// One list of platforms: package.json (napi.targets), the loader, the folders under npm/.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

import { parseTriple } from '@napi-rs/cli'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const json = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8'))
const manifest = json('package.json')
const platforms = manifest.napi.targets.map((target) => parseTriple(target).platformArchABI).sort()

test('npm/ has a folder for each target and no other', () => {
  assert.deepEqual(readdirSync(join(root, 'npm')).sort(), platforms)
})

test('each platform package carries the version, the licence and the name of its binary', () => {
  for (const platform of platforms) {
    const each = json('npm', platform, 'package.json')
    assert.equal(each.name, `hl7-outbox-${platform}`)
    assert.equal(each.version, manifest.version)
    assert.equal(each.license, manifest.license)
    assert.equal(each.main, `hl7-outbox.${platform}.node`)
    assert.deepEqual(each.files, [each.main])
    assert.equal(each.scripts, undefined, 'nothing runs at install')
    assert.ok(existsSync(join(root, 'npm', platform, 'LICENSE')))
  }
})

test('the loader has the literal paths of each platform', () => {
  const loader = readFileSync(join(root, 'js/facade/load.ts'), 'utf8')
  for (const platform of platforms) {
    assert.ok(loader.includes(`require('../../hl7-outbox.${platform}.node')`), platform)
    assert.ok(loader.includes(`require('hl7-outbox-${platform}')`), platform)
  }
})

test('nothing runs at install', () => {
  for (const hook of ['preinstall', 'install', 'postinstall', 'prepare']) assert.equal(manifest.scripts[hook], undefined, hook)
})
