// A disk of ours under a real file system: memory behind an NBD server, seen as a file through nbdfuse, as a block device
// through loop, and mounted as ext4. It loses at a cut what was not flushed, and fails when it is told to.
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync, truncateSync, watch, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { tool } from './tools.mjs'

const child = join(dirname(fileURLToPath(import.meta.url)), 'disk-child.mjs')

/** What the programs of this file are called; for `need`. */
export const DISK_TOOLS = ['nbdfuse', 'mkfs.ext4', 'mount', 'umount', 'python3']
/** Small, because a whole image is written and mounted at each cut. */
const DISK_BYTES = 64 << 20
const ATTACH_MS_MAX = 20_000

/** How what was not flushed is lost: all of it, none, the newest, any writes, or any sectors of any writes. */
export const LOSSES = ['all', 'none', 'tail', 'writes', 'sectors']

/** A file with an empty ext4 in it. The journal is as small as it may be: it is soon full and begins again. */
export async function makeImage(file, bytes = DISK_BYTES) {
  writeFileSync(file, '')
  truncateSync(file, bytes)
  await tool('mkfs.ext4', ['-q', '-F', '-J', 'size=4', '-E', 'lazy_itable_init=0,lazy_journal_init=0,nodiscard', file])
}

/** Mounts an image of ext4; answers how to take it away again. */
export async function mountImage(file, at) {
  mkdirSync(at, { recursive: true })
  await tool('mount', ['-t', 'ext4', '-o', 'loop', file, at])
  return { at, unmount: (...how) => tool('umount', [...how, at]) }
}

/** A file system in memory, for the images: writing them to a real disk would be the slowest part. */
export async function mountMemory(at, size) {
  mkdirSync(at, { recursive: true })
  await tool('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at])
  return { at, unmount: (...how) => tool('umount', [...how, at]) }
}

/** Where a disk is mounted whose process works in `folder`. */
export const mountPoint = (folder) => join(folder, 'mounted')

export class Disk {
  #process
  #calls = new Map()
  #last = 0
  #fuse
  #ended

  /** `folder` takes its socket and its places of mounting; `image` is what it holds at first. */
  static async start(folder, image) {
    const disk = new Disk()
    disk.folder = folder
    disk.socket = join(folder, 'socket')
    disk.#process = fork(child, [image, disk.socket], { serialization: 'advanced' })
    const listening = new Promise((resolve, reject) => {
      disk.#process.once('exit', () => reject(new Error('the disk ended at once')))
      disk.#process.on('message', ([n, error, value]) => {
        if (n === 'listening') return resolve()
        const { resolve: answer, reject: refuse } = disk.#calls.get(n)
        disk.#calls.delete(n)
        if (error === null) answer(value)
        else refuse(new Error(error))
      })
    })
    disk.#ended = once(disk.#process, 'exit')
    await listening
    return disk
  }

  #call(method, argument) {
    return new Promise((resolve, reject) => {
      const n = ++this.#last
      this.#calls.set(n, { resolve, reject })
      this.#process.send([n, method, argument])
    })
  }

  /** `{ kinds, times }` of the writes and flushes so far. */
  log = () => this.#call('log')
  /** How many requests there were, how many failed, and when. */
  counts = () => this.#call('counts')
  /** Faults to make from now on instead of those before: `[{ kind: 'read' | 'write' | 'flush', after, times, errno }]`. */
  fail = (faults) => this.#call('faults', faults)
  /** Writes into the file `to` what a cut behind the first `index` entries of the log leaves; cuts are asked for in their order. */
  cut = (how) => this.#call('cut', how)

  /** Mounts it; resolves with the place. */
  async mount() {
    const fuse = join(this.folder, 'fuse')
    const place = mountPoint(this.folder)
    const pid = join(this.folder, 'fuse.pid')
    for (const each of [fuse, place]) mkdirSync(each, { recursive: true })
    this.#fuse = spawn('nbdfuse', ['-P', pid, join(fuse, 'disk'), '--unix', this.socket], { stdio: ['ignore', 'ignore', 'pipe'] })
    await appeared(pid, this.#fuse)
    await tool('mount', ['-t', 'ext4', '-o', 'loop', join(fuse, 'disk'), place])
    return place
  }

  /** Takes it away; with `lazy`, whatever still uses it. */
  async unmount({ isLazy = false } = {}) {
    if (this.#fuse === undefined) return
    const how = isLazy ? ['-l'] : []
    await tool('umount', [...how, mountPoint(this.folder)]).catch((error) => {
      if (!/not mounted/.test(error.message)) throw error
    })
    const gone = once(this.#fuse, 'exit')
    await tool('umount', [...how, join(this.folder, 'fuse')])
    await gone
    rmSync(join(this.folder, 'fuse.pid'), { force: true })
    this.#fuse = undefined
  }

  async end() {
    await this.unmount({ isLazy: true }).catch(() => undefined)
    if (this.#process.exitCode === null) this.#process.disconnect()
    await this.#ended
  }
}

/** Resolves when nbdfuse has written its process id, which is when its file is there. */
async function appeared(file, program) {
  let said = ''
  program.stderr.on('data', (chunk) => (said += chunk))
  await new Promise((resolve, reject) => {
    const watcher = watch(dirname(file), () => existsSync(file) && end(resolve))
    const late = setTimeout(() => end(reject, new Error(`nbdfuse did not come\n${said}`)), ATTACH_MS_MAX)
    const exit = () => end(reject, new Error(`nbdfuse ended\n${said}`))
    program.once('exit', exit)
    program.once('error', reject)
    function end(settle, value) {
      clearTimeout(late)
      watcher.close()
      program.removeListener('exit', exit)
      settle(value)
    }
    if (existsSync(file)) end(resolve)
  })
}
