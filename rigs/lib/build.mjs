// The build with fail points, laid out as a package of its own: `door` of startApplication. Never the one that is shipped.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const target = join(root, 'target', 'faults')
const LIBRARY = { linux: 'liboutbox_napi.so', darwin: 'liboutbox_napi.dylib', win32: 'outbox_napi.dll' }

/** Beginning of what the fault build says on its standard error stream at each fault: `…: POINT WAY`. The release has it not. */
export const MARK = 'hl7-outbox fault build: '

const { platformTriple } = createRequire(import.meta.url)(join(root, 'dist', 'facade', 'load.js'))
const addon = `hl7-outbox.${platformTriple()}.node`

/** The addon that is shipped. */
export const releaseAddon = join(root, addon)

/** A run takes no longer. */
const KEPT_MS = 3_600_000

let built

/** Builds what is outdated; resolves with `{ door, addon }`: the paths of its index.mjs and of its addon. */
export function faultBuild({ say = () => undefined } = {}) {
  built ??= build(say)
  return built
}

async function build(say) {
  const library = join(target, LIBRARY[process.platform])
  if (!existsSync(library)) say('the build with fail points is made; the first time takes some minutes')
  await cargo(['build', '--quiet', '--profile', 'faults', '-p', 'outbox-napi', '--features', 'faults'])
  // A folder for each state of the sources: what is loaded in a process is never written over.
  const folder = join(target, `package-${digestOf([library, ...filesOf(join(root, 'dist')), join(root, 'index.mjs')])}`)
  if (!existsSync(folder)) {
    const made = mkdtempSync(join(target, 'layout-'))
    for (const part of ['package.json', 'index.js', 'index.mjs', 'dist']) cpSync(join(root, part), join(made, part), { recursive: true })
    cpSync(library, join(made, addon))
    prune()
    renameSync(made, folder)
  }
  return { door: join(folder, 'index.mjs'), addon: join(folder, addon) }
}

/** Removes what was made of older sources, unless another rig may still be running it. */
function prune() {
  for (const name of readdirSync(target).filter((each) => each.startsWith('package-'))) {
    const path = join(target, name)
    if (Date.now() - statSync(path).mtimeMs > KEPT_MS) rmSync(path, { recursive: true, force: true })
  }
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort()
}

function digestOf(files) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}

/** Runs cargo in the repository; rejects with what it said if it fails. */
export function cargo(args, { env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn('cargo', args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.once('error', (error) => reject(Object.assign(new Error('cargo cannot be run', { cause: error }), { hint: 'install Rust: rustup.rs' })))
    child.once('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`cargo ${args.join(' ')} ended with code ${code}\n${out}\n${err}`))))
  })
}
