// G2, the whole machine: a QEMU guest with an application in it is killed at any moment, and of what its disk was told and
// not asked to flush, any part is lost. The guest says over a serial line what it stored; every message of which it said so
// must be on the disk. Slow, a boot each; `power` cuts a log of the same disk at hundreds of moments instead.
//
// The guest is Debian's kernel and an initial file system made here: busybox, node, and this package. Its disk is ours
// (rigs/lib/disk-child.mjs), spoken to over NBD, so no page cache of the host stands between.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { aftermath, startReader } from './lib/aftermath.mjs'
import { Journal } from './lib/application.mjs'
import { Disk, DISK_TOOLS, LOSSES, makeImage, mountMemory } from './lib/disk.mjs'
import { startIntegrity } from './lib/integrity.mjs'
import { eatMyData, need, needRoot, tool } from './lib/tools.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const KERNEL = 'linux-image-cloud-amd64'
/** In the order in which they need each other; ext4 is in Debian's kernel itself. */
const MODULES = ['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk']
const LANES = ['M-1', 'M-2', 'M-3', 'M-4']
const MEMORY_MIB = 1_024
/** Without a processor that helps, and others at work on the machine. */
const BOOT_MS_MAX = 180_000
/** The guest has a clock of its own: everything it said was before the cut. */
const AT_THE_END = Number.MAX_SAFE_INTEGER

export default {
  goal: 'G2',
  title: 'power cuts of a whole machine',
  unit: 'cuts',
  cycles: 3,
  plants: { 'no-flush': 'libeatmydata under the application in the guest: its flushes do nothing' },
  async run({ cycles, random, folder, plant, say, signal }) {
    need('qemu-system-x86_64', 'busybox', 'cpio', 'dpkg-deb', ...DISK_TOOLS)
    needRoot()
    const memory = await mountMemory(join(folder, 'memory'), '1g')
    const integrity = startIntegrity()
    const totals = { enqueued: 0, sectorsLost: 0, open: 0 }
    const violations = []
    let reader
    try {
      const guest = await makeGuest(join(memory.at, 'guest'), plant)
      reader = await startReader(join(memory.at, 'scratch', 'outbox.db'))
      for (let n = 0; n < cycles && !signal.aborted; n++) {
        const place = join(memory.at, `cut-${n}`)
        mkdirSync(place)
        const found = await once({ guest, place, random, n, reader, integrity, signal })
        totals.enqueued += found.figures.enqueued
        totals.sectorsLost += found.lost
        totals.open += found.open
        violations.push(...found.violations.map((words) => `cut ${n}: ${words}`))
        rmSync(place, { recursive: true })
        say(`${n + 1} cuts, ${totals.enqueued} messages looked for, ${violations.length} violations`)
      }
    } finally {
      await reader?.kill()
      await integrity.end()
      await memory.unmount('-l')
    }
    return { figures: totals, violations }
  },
}

/** Debian's kernel and its modules: of the package, if it is installed, or of one that is fetched and unpacked. */
async function kernelOf(folder) {
  const found = (boot, modules) => {
    const image = readdirSync(boot).find((name) => /^vmlinuz-.*-cloud-amd64$/.test(name))
    return image && { image: join(boot, image), modules: join(modules, image.slice('vmlinuz-'.length), 'kernel', 'drivers') }
  }
  const installed = found('/boot', '/lib/modules')
  if (installed) return installed
  const [, name] = /Depends: (\S+)/.exec(await tool('apt-cache', ['depends', KERNEL])) ?? []
  if (name === undefined) throw Object.assign(new Error(`${KERNEL} is not known`), { hint: 'apt-get update' })
  mkdirSync(folder, { recursive: true })
  await tool('apt-get', ['download', '-qq', name], { cwd: folder, timeout: 300_000 })
  await tool('dpkg-deb', ['-x', join(folder, readdirSync(folder).find((file) => file.endsWith('.deb'))), folder])
  return found(join(folder, 'boot'), join(folder, 'lib', 'modules'))
}

/** What the guest boots: `{ kernel, initial }`. */
async function makeGuest(folder, plant) {
  const tree = join(folder, 'tree')
  for (const name of ['bin', 'dev', 'proc', 'sys', 'disk', 'modules', 'tmp', 'package/rigs/lib', 'package/__test__/support']) mkdirSync(join(tree, name), { recursive: true })
  const put = (from, to) => {
    mkdirSync(dirname(join(tree, to)), { recursive: true })
    copyFileSync(realpathSync(from), join(tree, to))
  }
  const kernel = await kernelOf(join(folder, 'kernel'))
  for (const name of MODULES) put(join(kernel.modules, name === 'virtio_blk' ? 'block' : 'virtio', `${name}.ko`), `modules/${name}.ko`)
  put(execFileSync('which', ['busybox'], { encoding: 'utf8' }).trim(), 'bin/busybox')
  put(process.execPath, 'bin/node')
  const addon = readdirSync(root).find((name) => name.endsWith('.node'))
  for (const file of [process.execPath, join(root, addon)]) {
    for (const [, library] of (await tool('ldd', [file])).matchAll(/(?:=> )?(\/\S+) \(0x/g)) put(library, library)
  }
  if (plant === 'no-flush') put(eatMyData(), 'bin/libeatmydata.so')
  for (const name of ['index.mjs', 'index.js', 'package.json', addon]) put(join(root, name), join('package', name))
  cpSync(join(root, 'dist'), join(tree, 'package', 'dist'), { recursive: true })
  for (const name of ['rigs/lib', '__test__/support']) cpSync(join(root, name), join(tree, 'package', name), { recursive: true })
  const load = { lanes: LANES, burst: 3, pauseMs: 0 }
  writeFileSync(join(tree, 'argument'), JSON.stringify({ name: 'G', config: { path: '/disk/outbox/outbox.db', dispatch: false, destinations: { rig: { url: 'http://127.0.0.1:9/' } } }, load }))
  const init = [
    '#!/bin/busybox sh',
    // Without its disk the guest must not work on.
    'set -e',
    '/bin/busybox mount -t proc proc /proc',
    '/bin/busybox mount -t sysfs sysfs /sys',
    '/bin/busybox mount -t devtmpfs dev /dev',
    ...MODULES.map((name) => `/bin/busybox insmod /modules/${name}.ko`),
    '/bin/busybox mount -t ext4 /dev/vda /disk',
    '/bin/busybox mkdir -p /disk/outbox',
    '/bin/busybox stty -F /dev/ttyS1 raw -echo',
    `${plant === 'no-flush' ? 'LD_PRELOAD=/bin/libeatmydata.so ' : ''}/bin/node /package/rigs/lib/application-child.mjs "$(/bin/busybox cat /argument)" </dev/null >/dev/ttyS1`,
    'exec /bin/busybox sleep 1000',
  ]
  writeFileSync(join(tree, 'init'), `${init.join('\n')}\n`)
  for (const name of ['init', 'bin/busybox', 'bin/node']) chmodSync(join(tree, name), 0o755)
  const initial = join(folder, basename(`${tree}.cpio`))
  await tool('sh', ['-c', 'busybox find . | cpio -o -H newc --quiet >"$1"', 'sh', initial], { cwd: tree })
  rmSync(tree, { recursive: true })
  return { kernel: kernel.image, initial }
}

async function once({ guest, place, random, n, reader, integrity, signal }) {
  const image = join(place, 'image')
  await makeImage(image)
  const disk = await Disk.start(place, image)
  const journal = new Journal()
  const machine = spawn('qemu-system-x86_64', [
    ...['-accel', 'tcg', '-m', String(MEMORY_MIB), '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', guest.kernel, '-initrd', guest.initial, '-append', 'console=ttyS0 quiet panic=-1 no_timer_check'],
    ...['-blockdev', `driver=nbd,node-name=disk,server.type=unix,server.path=${disk.socket}`, '-device', 'virtio-blk-pci,drive=disk,write-cache=on'],
    ...['-serial', `file:${join(place, 'console')}`, '-serial', 'stdio'],
  ], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  machine.stderr.on('data', (chunk) => (said = (said + chunk).slice(-4_000)))
  const ended = new Promise((resolve) => machine.once('close', resolve))
  try {
    const ready = new Promise((resolve) => {
      createInterface({ input: machine.stdout }).on('line', (line) => {
        let words
        try {
          words = JSON.parse(line)
        } catch {
          return // a line that the cut cut off
        }
        if (words[0] === 'ready') resolve(true)
        else journal.hear('G', words, n)
      })
    })
    const late = new AbortController()
    const isReady = await Promise.race([ready, ended.then(() => false), delay(BOOT_MS_MAX, false, { signal: late.signal })])
    late.abort()
    if (!isReady) throw new Error(`the guest did not come to work\n${said}${await tool('tail', ['-n', '60', join(place, 'console')]).catch(() => '')}`)
    await delay(random.between(0, 3_000))
    machine.kill('SIGKILL')
    await ended
    const { times } = await disk.log()
    const after = join(place, 'after')
    const { lost, open } = await disk.cut({ index: times.length, loss: LOSSES[n % LOSSES.length], seed: random.between(1, 1e9), isLying: false, to: after })
    const found = await aftermath({ image: after, at: AT_THE_END, log: { journal, arrivals: [], events: [] }, place, reader, integrity, signal, isForeign: true })
    // What it said last may not have left the guest: of a message that nobody heard of, nobody was promised anything.
    return { ...found, violations: found.violations.filter((words) => !words.endsWith('arrived and nobody enqueued it')), lost, open }
  } finally {
    machine.kill('SIGKILL')
    await ended
    await disk.end()
  }
}
