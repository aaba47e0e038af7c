// Licences, doubled crates and sources of the Rust dependencies (deny.toml).
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const cargo = (...args) => spawnSync('cargo', args, { cwd: root, encoding: 'utf8' })

test('cargo-deny accepts the bans, licences and sources', () => {
  assert.equal(cargo('deny', '--version').status, 0, 'cargo-deny is missing: `cargo install --locked cargo-deny`')
  const { status, stderr } = cargo('deny', '--log-level', 'warn', 'check', 'bans', 'licenses', 'sources')
  assert.equal(status, 0, stderr)
})
