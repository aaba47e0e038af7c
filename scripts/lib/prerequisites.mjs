// What must be on the machine before anything can be built. Only Node's own modules: nothing may be installed yet.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

const remedies = {
  node: 'install Node.js 20, 22 or 24 (nodejs.org, or your version manager: `nvm install 22`)',
  rust: 'install Rust with rustup (rustup.rs), then `rustup update stable`',
  linker: {
    linux: 'Debian, Ubuntu: `sudo apt-get install build-essential`; Fedora, RHEL: `sudo dnf install gcc make`; Alpine: `apk add build-base`',
    darwin: '`xcode-select --install`',
    win32: 'install the Visual Studio Build Tools with "Desktop development with C++"',
  },
  git: 'install git (git-scm.com, or your package manager)',
}

/**
 * What is missing: a list of `{ what, found, needed, remedy }`, empty when all is well. `found` is the version that was
 * found, or null. Each is printed to stderr with the way to get it.
 */
export function checkPrerequisites({ print = (line) => console.error(line) } = {}) {
  const missing = [node(), rust(), compiler(), git()].filter((each) => each !== null)
  for (const { what, found, needed, remedy } of missing) {
    print(`error: ${what} ${needed} is needed, ${found === null ? 'none was found' : `${found} was found`}\n  hint: ${remedy}`)
  }
  return missing
}

function node() {
  const needed = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace('>=', '')
  const found = process.versions.node
  return atLeast(found, needed) ? null : { what: 'Node.js', found, needed: `${needed} or later`, remedy: remedies.node }
}

function rust() {
  const needed = /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))[1]
  const found = /(\d+\.\d+\.\d+)/.exec(output('cargo', ['--version']) ?? '')?.[1] ?? null
  return found !== null && atLeast(found, needed) ? null : { what: 'Rust (cargo)', found, needed: `${needed} or later`, remedy: remedies.rust }
}

/** SQLite and the cryptography are compiled from C, and Rust needs a linker. */
function compiler() {
  const found = process.platform === 'win32' ? visualStudio() : ['cc', 'gcc', 'clang', process.env.CC].some((name) => name && output(name, ['--version']) !== null)
  return found ? null : { what: 'a C compiler', found: null, needed: 'with a linker', remedy: remedies.linker[process.platform] ?? remedies.linker.linux }
}

function visualStudio() {
  const where = join(process.env['ProgramFiles(x86)'] ?? 'C:\\Program Files (x86)', 'Microsoft Visual Studio', 'Installer', 'vswhere.exe')
  if (!existsSync(where)) return output('cl', []) !== null
  const component = 'Microsoft.VisualStudio.Component.VC.Tools.x86.x64'
  return (output(where, ['-latest', '-products', '*', '-requires', component, '-property', 'installationPath']) ?? '').trim() !== ''
}

function git() {
  return output('git', ['--version']) === null ? { what: 'git', found: null, needed: 'of any version', remedy: remedies.git } : null
}

function output(command, args) {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return null
  }
}

function atLeast(found, needed) {
  const [a, b] = [found, needed].map((version) => version.split('.').map(Number))
  for (let index = 0; index < b.length; index++) {
    if ((a[index] ?? 0) !== b[index]) return (a[index] ?? 0) > b[index]
  }
  return true
}
