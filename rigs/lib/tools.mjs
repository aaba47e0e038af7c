// Programs of the system that rigs use. One that is missing is an error with the name of its package, never a silent skip.
import { execFile } from 'node:child_process'
import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)

/** Debian's packages. */
const PACKAGES = { nbdfuse: 'libnbd-bin', 'mkfs.ext4': 'e2fsprogs', mount: 'mount', umount: 'mount', strace: 'strace', python3: 'python3', prlimit: 'util-linux', cc: 'build-essential', 'qemu-system-x86_64': 'qemu-system-x86', busybox: 'busybox-static', cpio: 'cpio', 'dpkg-deb': 'dpkg' }
const TOOL_MS_MAX = 60_000

function isThere(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Throws if this is not Linux, or a program is not there. */
export function need(...programs) {
  if (process.platform !== 'linux') throw Object.assign(new Error('this rig uses the tools of Linux'), { hint: 'run it there' })
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const missing = programs.filter((program) => !folders.some((folder) => isThere(join(folder, program))))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((program) => PACKAGES[program] ?? program))]
  throw Object.assign(new Error(`${missing.join(', ')} not found`), { hint: `apt-get install ${packages.join(' ')}` })
}

/** Throws if this process may not mount. */
export function needRoot() {
  if (process.getuid() !== 0) throw Object.assign(new Error('this rig mounts file systems, and that takes root'), { hint: 'run it as root in a machine of its own' })
}

/** libeatmydata, under which every flush of a program succeeds and does nothing. */
export function eatMyData() {
  for (const folder of readdirSync('/usr/lib').map((name) => join('/usr/lib', name))) {
    const file = join(folder, 'libeatmydata.so.1')
    try {
      accessSync(file, constants.R_OK)
      return file
    } catch {
      continue
    }
  }
  throw Object.assign(new Error('libeatmydata.so.1 not found'), { hint: 'apt-get install libeatmydata1' })
}

/** Runs a program to its end without holding up this process, whose servers it may wait for; answers what it printed. */
export async function tool(program, args, options = {}) {
  try {
    return (await exec(program, args, { timeout: TOOL_MS_MAX, ...options })).stdout
  } catch (error) {
    throw Object.assign(new Error(`${program} ${args.join(' ')}: ${(error.stderr || error.message).trim()}`), { code: error.code })
  }
}
