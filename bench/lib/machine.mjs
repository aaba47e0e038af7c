// What the figures were measured on.
import { execFileSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem, type } from 'node:os'
import { join } from 'node:path'

import { root } from '../../scripts/prepare.mjs'
import { quantile } from './figures.mjs'

const FLUSHES = 200
/** Numbers of statfs(2) on Linux. */
const FILE_SYSTEMS = { 0xef53: 'ext', 0x58465342: 'xfs', 0x9123683e: 'btrfs', 0x794c7630: 'overlay', 0x01021994: 'tmpfs', 0x6969: 'nfs', 0x2fc12fc1: 'zfs', 0xf2f52010: 'f2fs' }

export function machine(folder) {
  const { type: kind } = statfsSync(folder)
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${arch()}`,
    node: process.version,
    commit: commit(),
    fileSystem: process.platform === 'linux' ? (FILE_SYSTEMS[kind] ?? `0x${kind.toString(16)}`) : String(kind),
    load: loadavg()[0],
    flushUs: flush(folder),
  }
}

/** How long a page and its flush take: the floor under every durable call that is made alone. */
function flush(folder) {
  const path = join(folder, 'flush')
  const file = openSync(path, 'w')
  const page = Buffer.alloc(4_096, 1)
  const times = []
  try {
    for (let n = 0; n < FLUSHES; n++) {
      const began = performance.now()
      writeSync(file, page)
      fdatasyncSync(file)
      times.push((performance.now() - began) * 1e3)
    }
  } finally {
    closeSync(file)
    rmSync(path)
  }
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), max: Math.max(...times) }
}

function commit() {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : ' with changes')
  } catch {
    return 'unknown'
  }
}

export function describe(machine, folder) {
  const { flushUs } = machine
  return [
    `${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB, ${machine.system}, load ${machine.load.toFixed(1)}`,
    `node ${machine.node}, hl7-outbox ${readVersion()} (${machine.commit})`,
    `files in ${folder}: ${machine.fileSystem}; a page and its flush ${flushUs.p50.toFixed(0)} µs p50, ${flushUs.p95.toFixed(0)} p95, ${flushUs.max.toFixed(0)} longest`,
  ].join('\n')
}

const readVersion = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version
